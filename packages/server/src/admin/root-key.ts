import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Config, readConfig } from '../config/config.ts'
import { env } from '../config/environment.ts'
import type { RootKeyInfo } from '../upkeep/root-keys.service.ts'
import {
  deriveRootKey,
  findSealedFile,
  makeKeyFile,
  nextKeyPath,
  promoteNextKeyFile,
  readRootKeyFiles,
} from '../vault/root-key.ts'
import { type AdminCommand, type Given, operator, withCore } from './command.ts'
import { print, say, UsageError } from './output.ts'
import { openKeyFile, passphraseOf } from './passphrase.ts'

/*
 * keyhold admin root-key …: how the root key is exchanged, step by step. Every step may be repeated: after a crash the same
 * command goes on where the first one ended.
 */

const keyFile = { 'key-file': { type: 'string' } } as const

export const status: AdminCommand = {
  usage: 'root-key status [--json]',
  summary: 'list root keys by fingerprint, and the servers that were started with them',
  options: { json: { type: 'boolean' } },
  async run(given) {
    const { rootKeys, servers } = await withCore((core) => core.rootKeys.status())
    if (given.json) return print(`${JSON.stringify({ rootKeys, servers }, null, 2)}\n`)
    for (const key of rootKeys) print(`${key.fingerprint}  ${stateText(key)}\n`)
    for (const server of servers) {
      print(
        `server on ${server.host}, started ${server.startedAt.toISOString()}, with ${server.rootFingerprint}\n`,
      )
    }
    const next = rootKeys.find(({ state }) => state === 'next')
    const previous = rootKeys.find(({ state }) => state === 'previous')
    if (next) say('next: give every server the new key, then keyhold admin root-key activate\n')
    if (previous) {
      say(`next: once no server needs it any more, keyhold admin root-key retire ${previous.fingerprint}\n`)
    }
  },
}

export const prepare: AdminCommand = {
  usage: 'root-key prepare [--key-file FILE]',
  summary: 'make the root key that is to take over, and let it open this instance as well',
  options: keyFile,
  async run(given) {
    const path = pathOf(given)
    await withCore(async (core, config) => {
      // The file first: nothing may be wrapped by a key that could be lost. Beside a sealed key, it is never in clear.
      const isSealed = path === nextKeyPath(config.dataDir) && findSealedFile(config.dataDir) !== undefined
      const key = existsSync(path)
        ? await openKeyFile(path, config)
        : (await makeKeyFile(path, isSealed ? passphraseOf(config) : undefined)).key
      const { fingerprint } = deriveRootKey(key)
      const isNew = await core.rootKeys.prepare(operator('root-key prepare'), deriveRootKey(key))
      say(
        `${isNew ? 'prepared' : 'already prepared'}: root key ${fingerprint} in ${path}

  Both root keys open this instance now. Next:
  1. Copy that file to a safe place outside this machine.
  2. Give it to every server (as KEYHOLD_ROOT_KEY_FILE, or as root.key.next in the data directory) and restart one after
     the other.
  3. keyhold admin root-key activate
`,
      )
    })
  },
}

export const activate: AdminCommand = {
  usage: 'root-key activate [--key-file FILE]',
  summary: 'make the prepared root key the current one',
  options: keyFile,
  async run(given) {
    const path = pathOf(given)
    await withCore(async (core, config) => {
      const next = deriveRootKey(await findNextKey(path, config))
      const before = await core.rootKeys.activate(operator('root-key activate'), next)
      const isOurs = path === nextKeyPath(config.dataDir) && config.rootKey === undefined
      const archived = isOurs ? promoteNextKeyFile(config.dataDir) : undefined
      say(`root key ${next.fingerprint} is current${before === undefined ? ' already' : ''}\n`)
      if (archived) say(`it is root.key now; the old one is ${archived}\n`)
      say(`
  Next:
  1. Restart every server that was started with another root key: keyhold admin root-key status
  2. keyhold admin recovery-kit create: the kit of the old key does not open what is made from now on.
  3. keyhold admin root-key retire FINGERPRINT, and keep the old key for as long as you keep its backups.
`)
    })
  },
}

export const cancel: AdminCommand = {
  usage: 'root-key cancel',
  summary: 'take back a prepared root key that is not to take over',
  options: {},
  async run() {
    await withCore(async (core) => {
      const fingerprint = await core.rootKeys.cancel(operator('root-key cancel'))
      say(`root key ${fingerprint} opens nothing any more; delete its file\n`)
    })
  },
}

export const retire: AdminCommand = {
  usage: 'root-key retire FINGERPRINT [--even-if-in-use]',
  summary: 'end what the previous root key opens here',
  options: { 'even-if-in-use': { type: 'boolean' } },
  arguments: 1,
  async run(given, [fingerprint = '']) {
    if (!/^[0-9a-f]{4}(?:-[0-9a-f]{4}){3}$/.test(fingerprint))
      throw new UsageError('a fingerprint looks like 3f9a-81c2-77d0-5e1b: keyhold admin root-key status')
    await withCore(async (core) => {
      const isForced = given['even-if-in-use'] === true
      await core.rootKeys.retire(operator('root-key retire'), fingerprint, isForced)
      say(`root key ${fingerprint} opens only backups that were made with it
keep it for as long as you keep those, away from them, and delete it from this machine\n`)
    })
  },
}

/** Without a file it took its place already, or the server is given it some other way. */
async function findNextKey(path: string, config: Config): Promise<Buffer> {
  if (existsSync(path)) return openKeyFile(path, config)
  if (config.rootKey) return config.rootKey
  return (await readRootKeyFiles(config.dataDir, false, passphraseOf(config))).files[0]!.key // `!`: without any it throws.
}

function pathOf(given: Given): string {
  const path = given['key-file']
  return typeof path === 'string' ? resolve(path) : nextKeyPath(readConfig(env).dataDir)
}

function stateText(key: RootKeyInfo): string {
  const on = (date: Date | null) => date?.toISOString() ?? 'an unknown date'
  const kit = key.kitProvenAt ? 'recovery kit proven' : 'no proven recovery kit'
  switch (key.state) {
    case 'next':
      return `prepared on ${on(key.createdAt)}; opens this instance as well`
    case 'current':
      return `current since ${on(key.activatedAt)}; ${kit}`
    case 'previous':
      return 'was current; still opens this instance'
    case 'retired':
      return `retired on ${on(key.retiredAt)}; opens only backups made before`
  }
}
