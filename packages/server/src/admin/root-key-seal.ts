import { existsSync } from 'node:fs'
import type { Secret } from '@keyhold/contract/secret'
import type { Config } from '../config/config.ts'
import { readConfig } from '../config/config.ts'
import { env } from '../config/environment.ts'
import { sendPassphrase } from '../upkeep/unseal-socket.ts'
import {
  isSealedFile,
  keyPath,
  listKeyFiles,
  type RootKeyFile,
  readKeyFile,
  removeLeftBehind,
  rewriteKeyFile,
} from '../vault/root-key.ts'
import { WrongPassphraseError } from '../vault/sealed-root-key.ts'
import { type AdminCommand, assertInstance, operator, withCore } from './command.ts'
import { say, UsageError } from './output.ts'
import { assertGood, passphraseOf, readNewPassphrase, readPassphrase } from './passphrase.ts'

/*
 * A root key file that opens with a passphrase only. Each file is replaced whole, `root.key` last: a command that was
 * interrupted is given again, and goes on.
 */

export const seal: AdminCommand = {
  usage: 'root-key seal [--without-kit]',
  summary: 'seal the root key file with a passphrase, which each start then needs',
  options: { 'without-kit': { type: 'boolean' } },
  async run(given) {
    const { dataDir } = assertKeyFile()
    const inClear = listKeyFiles(dataDir).filter((path) => !isSealedFile(path))
    if (inClear.length === 0) {
      removeLeftBehind(dataDir)
      return say('already sealed; to change the passphrase: keyhold admin root-key change-passphrase\n')
    }
    await withCore(async (core, config) => {
      if (!given['without-kit'] && !(await core.rootKeys.hasProvenKit()))
        throw new Error(
          'the root key has no proven recovery kit, and a passphrase that is forgotten cannot be had back: ' +
            'keyhold admin recovery-kit create, or give --without-kit',
        )
      const passphrase = passphraseOf(config) ?? (await readNewPassphrase())
      assertGood(passphrase)
      const files = await Promise.all(inClear.map((path) => readKeyFile(path)))
      await core.rootKeys.recordSealing(operator('root-key seal'), 'root-key.seal')
      await rewriteAll(files, dataDir, passphrase)
      say(`
  Each start needs the passphrase now: typed on the terminal, from KEYHOLD_ROOT_KEY_PASSPHRASE_FILE, or
  by keyhold admin unseal. Servers that run go on.
  Copies of the file from before are in clear, also what the disk and its snapshots keep. Where somebody
  may have those, exchange the root key now: keyhold admin root-key prepare
`)
    })
  },
}

export const unsealForGood: AdminCommand = {
  usage: 'root-key unseal --for-good',
  summary: 'turn a sealed root key file back into one in clear',
  options: { 'for-good': { type: 'boolean' } },
  async run(given) {
    const { dataDir } = assertKeyFile()
    if (!given['for-good'])
      throw new UsageError(
        'this writes the root key in clear: give --for-good. To open a server that waits: keyhold admin unseal',
      )
    const sealed = listKeyFiles(dataDir).filter(isSealedFile)
    if (sealed.length === 0) {
      removeLeftBehind(dataDir)
      return say('nothing is sealed\n')
    }
    await withCore(async (core, config) => {
      const files = await openAll(sealed, passphraseOf(config)!) // `!`: something is sealed.
      await core.rootKeys.recordSealing(operator('root-key unseal'), 'root-key.unseal')
      await rewriteAll(files, dataDir)
    })
  },
}

export const changePassphrase: AdminCommand = {
  usage: 'root-key change-passphrase',
  summary: 'seal the root key file with another passphrase',
  options: {},
  async run() {
    const { dataDir } = assertKeyFile()
    const sealed = listKeyFiles(dataDir).filter(isSealedFile)
    if (sealed.length === 0) throw new Error('the root key is not sealed: keyhold admin root-key seal')
    await withCore(async (core, config) => {
      const next = await readNewPassphrase()
      const files = await openAll(sealed, passphraseOf(config)!, next) // `!`: something is sealed.
      await core.rootKeys.recordSealing(operator('root-key change-passphrase'), 'root-key.change-passphrase')
      await rewriteAll(files, dataDir, next)
      say('copies of the file from before still open with the old passphrase\n')
    })
  },
}

export const unseal: AdminCommand = {
  usage: 'unseal',
  summary: 'give the passphrase to a sealed server that waits for it: typed, or on standard input',
  options: {},
  async run() {
    const { dataDir } = readConfig(env)
    const fingerprint = await sendPassphrase(dataDir, await readPassphrase('passphrase: '))
    say(`root key ${fingerprint} is open, and the server starts\n`)
  },
}

/** @throws Error where the root key is not in a file of ours. */
function assertKeyFile(): Config {
  const config = assertInstance()
  if (config.rootKey)
    throw new Error('the root key comes from KEYHOLD_ROOT_KEY: only root.key in the data directory is sealed')
  const path = keyPath(config.dataDir)
  if (!existsSync(path)) throw new Error(`${path} is missing: keyhold admin recovery-kit use`)
  return config
}

/**
 * Opens sealed files. @param other the passphrase that some have already, where a command was interrupted.
 * @throws WrongPassphraseError for a file that a server starts with; one that was archived may have a passphrase of its own.
 */
async function openAll(
  paths: readonly string[],
  passphrase: Secret<string>,
  other?: Secret<string>,
): Promise<RootKeyFile[]> {
  const files: RootKeyFile[] = []
  for (const path of paths) {
    const file = await openOne(path, other ? [passphrase, other] : [passphrase])
    if (file) files.push(file)
    else if (/[.]key([.]next)?$/.test(path))
      throw new WrongPassphraseError(`the passphrase does not open ${path}, or that file was changed`)
    else say(`${path} has another passphrase, and is left as it is\n`)
  }
  return files
}

async function openOne(path: string, passphrases: readonly Secret<string>[]) {
  for (const passphrase of passphrases) {
    try {
      return await readKeyFile(path, passphrase)
    } catch (error) {
      if (!(error instanceof WrongPassphraseError)) throw error
    }
  }
  return undefined
}

async function rewriteAll(
  files: readonly RootKeyFile[],
  dataDir: string,
  passphrase?: Secret<string>,
): Promise<void> {
  for (const file of files) {
    await rewriteKeyFile(file, passphrase)
    say(`${file.path} is ${passphrase ? 'sealed' : 'in clear'}\n`)
  }
  removeLeftBehind(dataDir)
}
