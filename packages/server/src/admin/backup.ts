import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { type Core, composeCore } from '../compose/core.ts'
import { type Config, readConfig } from '../config/config.ts'
import { env } from '../config/environment.ts'
import { copyToPostgres, isInUse } from '../storage/copy.ts'
import { loadBackup, readBackupFile, writeBackup } from '../upkeep/backup.ts'
import type { Restored } from '../upkeep/backups.service.ts'
import {
  deriveRootKey,
  fingerprintIn,
  keyPath,
  nextKeyPath,
  type RootKeyFile,
  readRootKeyFiles,
  syncDirectory,
  writeKeyFile,
} from '../vault/root-key.ts'
import { type AdminCommand, assertInstance, type Given, operator, withCore } from './command.ts'
import { print, say, UsageError } from './output.ts'
import { openKeyFile, passphraseOf, withPassphrase } from './passphrase.ts'
import { showProgress } from './progress.ts'
import { readKit } from './recovery-kit.ts'

const keyOptions = { 'recovery-kit': { type: 'boolean' }, 'key-file': { type: 'string' } } as const
/** A database that is being filled, beside where it is to be. Nobody else names a directory so: what is left is deleted. */
const SCRATCH = '.keyhold-restore-'

export const backup: AdminCommand = {
  usage: 'backup FILE [--json]',
  summary: 'write an encrypted backup while the servers run, and restore it for trial before it counts',
  options: { json: { type: 'boolean' } },
  arguments: 1,
  async run(given, [file = '']) {
    assertInstance()
    const path = resolve(file)
    assertFree(path)
    await withCore(async (core, config) => {
      const key = await currentKey(config, core)
      const madeAt = new Date().toISOString()
      await core.backups.recordBackup(operator('backup'), basename(path))
      const partial = `${path}.${process.pid}.partial`
      try {
        const progress = showProgress('written')
        const source = writeBackup(
          locationOf(config),
          deriveRootKey(key),
          { instance: core.instanceId, madeAt },
          progress,
        )
        await writeWhole(partial, source)
        progress.end()
        const restored = await tryOut(config, partial, key)
        linkSync(partial, path)
        syncDirectory(dirname(path))
        tell(given, { file: path, madeAt, ...restored })
      } finally {
        rmSync(partial, { force: true })
      }
    })
  },
}

export const verifyBackup: AdminCommand = {
  usage: 'backup verify FILE [--recovery-kit | --key-file FILE] [--json]',
  summary: 'restore a backup for trial, check all of it, and throw it away: a restore drill',
  options: { ...keyOptions, json: { type: 'boolean' } },
  arguments: 1,
  async run(given, [file = '']) {
    const config = readConfig(env)
    const { header } = await readBackupFile(resolve(file))
    const { key } = await findKey(config, given, header.rootFingerprint)
    const restored = await tryOut(config, resolve(file), key)
    tell(given, { file: resolve(file), madeAt: header.madeAt, ...restored })
  },
}

export const restore: AdminCommand = {
  usage: 'restore FILE [--recovery-kit | --key-file FILE] [--revoke-credentials] [--json]',
  summary: 'bring an instance back from a backup, on an empty machine, into SQLite or PostgreSQL',
  options: { ...keyOptions, 'revoke-credentials': { type: 'boolean' }, json: { type: 'boolean' } },
  arguments: 1,
  async run(given, [file = '']) {
    const config = readConfig(env)
    const path = resolve(file)
    const { header } = await readBackupFile(path)
    await assertEmpty(config)
    const { key, isGiven } = await findKey(config, given, header.rootFingerprint)
    const isKeyNew = isGiven && config.rootKey === undefined && isKeyMissing(config, key)
    mkdirSync(config.dataDir, { recursive: true, mode: 0o700 })
    for (const entry of readdirSync(config.dataDir, { withFileTypes: true })) {
      // What an interrupted restore left.
      if (entry.isDirectory() && entry.name.startsWith(SCRATCH))
        rmSync(join(config.dataDir, entry.name), { recursive: true, force: true })
    }
    const isRevoking = given['revoke-credentials'] === true
    const directory = mkdtempSync(join(config.dataDir, SCRATCH))
    try {
      const restored = await fill(config, path, key, directory, (core) =>
        core.backups.recordRestore(operator('restore'), header.madeAt, isRevoking),
      )
      if (isKeyNew) say(`${writeKeyFile(config.dataDir, key)} is written\n`)
      if (config.databaseUrl !== undefined) {
        const progress = showProgress('copied')
        await copyToPostgres(directory, config.databaseUrl, progress)
        progress.end()
      } else {
        // Fails where there is a database meanwhile.
        syncFile(join(directory, 'keyhold.db'))
        linkSync(join(directory, 'keyhold.db'), join(config.dataDir, 'keyhold.db'))
        syncDirectory(config.dataDir)
      }
      tell(given, { file: path, madeAt: header.madeAt, ...restored })
      say(afterRestore(header.madeAt, restored, isRevoking))
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  },
}

const locationOf = (config: Config) =>
  config.databaseUrl === undefined ? { dataDir: config.dataDir } : { databaseUrl: config.databaseUrl }

/** Restores a backup into a directory, checks it, and marks it. Whatever is wrong with the file is found here. */
async function fill(
  config: Config,
  path: string,
  key: Buffer,
  directory: string,
  mark: (core: Core) => Promise<void>,
): Promise<Restored> {
  const progress = showProgress('read')
  await loadBackup(path, deriveRootKey(key), directory, progress)
  progress.end()
  const { databaseUrl: _, ...rest } = config
  const core = await composeCore({ ...rest, dataDir: directory, rootKey: key })
  try {
    const restored = await core.backups.check(directory)
    await mark(core)
    return restored
  } finally {
    await core.close()
  }
}

/** Restores a backup for trial. */
async function tryOut(config: Config, path: string, key: Buffer): Promise<Restored> {
  const directory = mkdtempSync(join(dirname(path), '.keyhold-trial-'))
  try {
    return await fill(config, path, key, directory, async () => {})
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** The root key to make a backup with. */
async function currentKey(config: Config, core: Core): Promise<Buffer> {
  const { rootKeys } = await core.rootKeys.status()
  const current = rootKeys.find(({ state }) => state === 'current')!.fingerprint // `!`: an instance has one.
  const found = (await keysAtHand(config)).find(({ key }) => deriveRootKey(key).fingerprint === current)
  if (!found) throw new Error(`the current root key, ${current}, is not at hand here`)
  return found.key
}

/** The root key of a backup: from a kit, a file, or where a server would find it. */
async function findKey(
  config: Config,
  given: Given,
  fingerprint: string,
): Promise<{ key: Buffer; isGiven: boolean }> {
  const file = given['key-file']
  if (given['recovery-kit'] && file !== undefined)
    throw new UsageError('give --recovery-kit or --key-file, not both')
  if (given['recovery-kit']) return { key: await readKit(), isGiven: true }
  if (typeof file === 'string') return { key: await openKeyFile(resolve(file), config), isGiven: true }
  const atHand = await keysAtHand(await withPassphrase(config))
  const found = atHand.find(({ key }) => deriveRootKey(key).fingerprint === fingerprint) ?? atHand[0]
  if (found) return { key: found.key, isGiven: false }
  throw new Error(
    `this backup needs the root key with fingerprint ${fingerprint}: give --recovery-kit, --key-file FILE or KEYHOLD_ROOT_KEY_FILE`,
  )
}

async function keysAtHand(config: Config): Promise<readonly RootKeyFile[]> {
  if (config.rootKey) return [{ key: config.rootKey, path: '' }]
  if (!existsSync(join(config.dataDir, 'root.key'))) return []
  return (await readRootKeyFiles(config.dataDir, false, passphraseOf(config))).files
}

/** Whether the data directory has no root key yet. @throws Error when it has another one. */
function isKeyMissing(config: Config, key: Buffer): boolean {
  const { fingerprint } = deriveRootKey(key)
  const atHand = [keyPath(config.dataDir), nextKeyPath(config.dataDir)].filter((path) => existsSync(path))
  if (atHand.length > 0 && !atHand.some((path) => fingerprintIn(path) === fingerprint))
    throw new Error(`${config.dataDir} has another root key; set KEYHOLD_DATA_DIR to an empty directory`)
  return atHand.length === 0
}

/** Nothing is ever overwritten. */
async function assertEmpty(config: Config): Promise<void> {
  if (config.databaseUrl !== undefined) {
    if (await isInUse(config.databaseUrl))
      throw new Error('the PostgreSQL database holds an instance already; give an empty one')
  } else if (existsSync(join(config.dataDir, 'keyhold.db')))
    throw new Error(`${config.dataDir} holds an instance already; set KEYHOLD_DATA_DIR to an empty directory`)
}

function assertFree(path: string): void {
  if (existsSync(path)) throw new Error(`${path} is there already; name another file`)
}

/** Writes a file that is on disk when this resolves. */
async function writeWhole(path: string, source: AsyncIterable<Uint8Array>): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(source)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Makes a file that was filled without waiting for the disk stay after a power cut. */
function syncFile(path: string): void {
  chmodSync(path, 0o600)
  const file = openSync(path, 'r+')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

function tell(given: Given, result: Restored & { file: string; madeAt: string }): void {
  if (given.json) print(`${JSON.stringify(result, null, 2)}\n`)
  else
    say(
      `${result.file}: restored and checked, as of ${result.madeAt}: ${result.auditRecords} audit records verified, ${result.dataKeys} data keys opened\n`,
    )
}

function afterRestore(madeAt: string, restored: Restored, isRevoked: boolean): string {
  const revoked = isRevoked
    ? '  All access tokens are deleted, and all access keys inactive.\n'
    : `  What was taken away since then works again: go through ${restored.accessTokens} access tokens, ${restored.accessKeys} active access keys and
  all accounts, or restore with --revoke-credentials.
`
  return `
  This is the instance as of ${madeAt}. Sessions are ended: people sign in again.
${revoked}  The audit log is shorter than it was, and has a record of the restore. Checkpoints kept since show that, as they should.
`
}
