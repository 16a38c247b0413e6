import { existsSync } from 'node:fs'
import { randomKey } from '../base/ids.ts'
import { composeCore } from '../compose/core.ts'
import {
  formatRecoveryKit,
  kitLines,
  parseKitLine,
  parseRecoveryKit,
  RecoveryKitError,
} from '../vault/recovery-kit.ts'
import { deriveRootKey, keyPath, readRootKeyFiles, writeKeyFile } from '../vault/root-key.ts'
import { type AdminCommand, assertInstance, operator, withCore } from './command.ts'
import { print, say } from './output.ts'
import { passphraseOf } from './passphrase.ts'
import { ask, isTerminal, readInput } from './prompt.ts'

const ATTEMPTS_MAX = 3

export const createKit: AdminCommand = {
  usage: 'recovery-kit create',
  summary: 'print the root key as text for paper, and have part of it typed back',
  options: {},
  async run() {
    assertInstance()
    await withCore(async (core, config) => {
      const { rootKeys } = await core.rootKeys.status()
      // `!`: an instance has a current root key.
      const { fingerprint } = rootKeys.find(({ state }) => state === 'current')!
      const keys = config.rootKey
        ? [config.rootKey]
        : (await readRootKeyFiles(config.dataDir, false, passphraseOf(config))).files.map(({ key }) => key)
      const key = keys.find((one) => deriveRootKey(one).fingerprint === fingerprint)
      if (!key) throw new Error(`the current root key, ${fingerprint}, is not at hand here`)
      const asker = operator('recovery-kit create')
      await core.rootKeys.kit(asker, 'recovery-kit.create', fingerprint)
      print(formatRecoveryKit(key, { instance: config.publicUrl, madeAt: new Date() }))
      if (!isTerminal()) {
        say('nobody has typed it back yet: keyhold admin recovery-kit verify\n')
        return
      }
      say('\n  Print it, or write it down now. Then type a line of it from the paper.\n\n')
      await typeBack(kitLines(key).length)
      await core.rootKeys.kit(operator('recovery-kit verify'), 'recovery-kit.verify', fingerprint)
      say('the recovery kit is proven; clear this screen, and keep the paper apart from the backups\n')
    })
  },
}

/** Has a line typed back that was chosen by chance. The checksum says whether it is right. */
async function typeBack(lines: number): Promise<void> {
  const number = (randomKey(1)[0]! % lines) + 1 // `!`: one byte.
  for (let attempt = 1; ; attempt++) {
    try {
      parseKitLine(await ask(`line ${number}: `), number)
      return
    } catch (error) {
      if (!(error instanceof RecoveryKitError) || attempt === ATTEMPTS_MAX) throw error
      say(`${error.message}\n`)
    }
  }
}

export const verifyKit: AdminCommand = {
  usage: 'recovery-kit verify',
  summary:
    'type a recovery kit from its paper, or give it on standard input, and see that it is the right one',
  options: {},
  async run() {
    assertInstance()
    const { fingerprint } = deriveRootKey(await readKit())
    await withCore(async (core) => {
      const { rootKeys } = await core.rootKeys.status()
      const found = rootKeys.find((one) => one.fingerprint === fingerprint)
      if (!found) throw new Error(`the kit is of root key ${fingerprint}, which is of another instance`)
      if (found.state === 'retired') {
        throw new Error(
          `the kit is of root key ${fingerprint}, which is retired: it opens only backups made before`,
        )
      }
      await core.rootKeys.kit(operator('recovery-kit verify'), 'recovery-kit.verify', fingerprint)
      say(`the recovery kit is right: root key ${fingerprint}, ${found.state}\n`)
    })
  },
}

export const useKit: AdminCommand = {
  usage: 'recovery-kit use',
  summary: 'write root.key anew from a recovery kit, where the database is and the key was lost',
  options: {},
  async run() {
    const config = assertInstance()
    const path = keyPath(config.dataDir)
    if (existsSync(path)) throw new Error(`${path} is there already: move it elsewhere first`)
    const key = await readKit()
    // Opens the database with it first: a wrong key must not lie where the right one belongs.
    await (await composeCore({ ...config, rootKey: key })).close()
    writeKeyFile(config.dataDir, key)
    say(`${path} is written: root key ${deriveRootKey(key).fingerprint}\n`)
  },
}

/** Reads a kit from the terminal, line by line, or from standard input. @throws RecoveryKitError */
export async function readKit(): Promise<Buffer> {
  if (!isTerminal()) return parseRecoveryKit(await readInput())
  say('type the four lines of the recovery kit:\n')
  const parts: Buffer[] = []
  while (parts.length < 4) {
    const number = parts.length + 1
    try {
      parts.push(parseKitLine(await ask(`line ${number}: `), number))
    } catch (error) {
      if (!(error instanceof RecoveryKitError)) throw error
      say(`${error.message}\n`)
    }
  }
  return Buffer.concat(parts)
}
