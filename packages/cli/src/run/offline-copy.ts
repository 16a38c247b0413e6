// A copy of what was delivered, for when Keyhold cannot be reached. It opens only with the credential that got it, on the
// machine that made it, and not after the age that was allowed:
//
//   $XDG_CACHE_HOME/keyhold/offline/<name>   AES-256-GCM; the name is a hash of server, credential, project, environment
//   $XDG_STATE_HOME/keyhold/machine.key      32 random bytes, 0600: a copy of the cache alone is worth nothing
//
// Whoever may read both files and the credential of this user can read the copy: they could ask Keyhold as well. What the
// copy adds is time: a credential that was taken away opens it until it is too old, or until Keyhold was asked again.
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto'
import {
  appendFileSync,
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import { codeOf, Failure, usageFailure } from '../failure.ts'
import type { DeliveredSecret, Delivery } from './delivery.ts'

/** Told from other files, and from forms to come. */
const MAGIC = Buffer.from('keyhold offline copy 1\n')
const SALT_BYTES = 32
/** SP 800-38D §8.2.1; each file has a key of its own. */
const NONCE_BYTES = 12
const TAG_BYTES = 16
const KEY_BYTES = 32
const AGE_MAX_MS = 30 * 86_400_000
/** Clocks of one machine do not go back further than this by being set right. */
const CLOCK_BACK_MS = 5 * 60_000

/** Whose copy it is. */
export interface CopyOwner {
  readonly url: string
  /** Names the credential: an access key ID, or `person`. */
  readonly credentialId: string
  /** The credential itself: the copy opens with it only. */
  readonly credential: string
  readonly project: string | undefined
  readonly environment: string | undefined
}

/** Reads an age such as `12h`, in milliseconds. @throws Failure */
export function parsedAge(text: string): number {
  const [, count = '', unit = ''] = /^(\d{1,5})([mhd])$/.exec(text) ?? []
  const unitMs = { m: 60_000, h: 3_600_000, d: 86_400_000 }[unit]
  const ageMs = unitMs === undefined ? 0 : Number(count) * unitMs
  if (ageMs <= 0 || ageMs > AGE_MAX_MS)
    throw usageFailure('--max-age is no age from 1m to 30d', 'write 30m, 12h or 7d')
  return ageMs
}

/** What was delivered, and when. */
export interface OfflineCopy {
  readonly delivery: Delivery
  readonly madeAt: Date
}

/** The copy of one delivery. */
export class OfflineStore {
  readonly #owner: CopyOwner
  readonly #path: string
  readonly #keyPath: string

  constructor(env: NodeJS.ProcessEnv, owner: CopyOwner) {
    this.#owner = owner
    this.#path = join(baseDirectory(env, 'XDG_CACHE_HOME', '.cache'), 'keyhold', 'offline', nameOf(owner))
    this.#keyPath = join(baseDirectory(env, 'XDG_STATE_HOME', '.local/state'), 'keyhold', 'machine.key')
  }

  /** Keeps a copy, in place of the one before. @throws Failure when it cannot be written */
  write(delivery: Delivery, maxAgeMs: number, now = Date.now()): void {
    const salt = randomBytes(SALT_BYTES)
    const nonce = randomBytes(NONCE_BYTES)
    const head = Buffer.concat([MAGIC, salt, nonce])
    const cipher = createCipheriv('aes-256-gcm', this.#key(this.#machineKey(), salt), nonce)
    cipher.setAAD(head)
    const text = JSON.stringify({ madeAt: now, maxAgeMs, delivery: toJson(delivery) })
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
    writeWhole(this.#path, Buffer.concat([head, sealed]))
    rmSync(this.#usesPath, { force: true })
  }

  /** Counts a use of the copy, which Keyhold is told of when it is asked the next time. Never fails. */
  noteUse(): void {
    try {
      appendFileSync(this.#usesPath, `${new Date().toISOString()}\n`, { mode: 0o600 })
    } catch {
      // A directory that cannot be written any more keeps no program from running.
    }
  }

  /** Uses since the last answer, as a remark: `copy used 3 times, last at …`; empty without any. */
  uses(): string {
    const times = readIfThere(this.#usesPath)?.toString('latin1').trim().split('\n') ?? []
    return times.length === 0 ? '' : `copy used ${times.length} times, last at ${times.at(-1)}`
  }

  /**
   * Opens the copy. @param maxAgeMs how old it may be at the most; it never counts for longer than it was made for.
   * @returns undefined when there is none. @throws Failure when it is too old, or does not open
   */
  read(maxAgeMs = AGE_MAX_MS, now = Date.now()): OfflineCopy | undefined {
    const bytes = readIfThere(this.#path)
    const machineKey = readIfThere(this.#keyPath)
    if (bytes === undefined) return undefined
    const parsed = machineKey && this.#open(bytes, machineKey)
    if (parsed === undefined)
      throw new Failure('the offline copy does not open: it was changed, or made on another machine', {
        hints: [`it is replaced when Keyhold can be reached again; or delete ${this.#path}`],
      })
    const ageMs = now - parsed.madeAt
    if (ageMs < -CLOCK_BACK_MS)
      throw new Failure('the offline copy is of a time that has not come yet', {
        hints: ['is the clock right?'],
      })
    const allowedMs = Math.min(maxAgeMs, parsed.maxAgeMs)
    if (ageMs > allowedMs)
      throw new Failure(
        `the offline copy is too old: ${shownAge(ageMs)}, and ${shownAge(allowedMs)} is allowed`,
      )
    return { delivery: fromJson(parsed.delivery), madeAt: new Date(parsed.madeAt) }
  }

  /** Deletes the copy: Keyhold has said that this credential gets nothing. */
  delete(): void {
    rmSync(this.#path, { force: true })
    rmSync(this.#usesPath, { force: true })
  }

  get #usesPath(): string {
    return `${this.#path}.uses`
  }

  #open(bytes: Buffer, machineKey: Buffer): CopyJson | undefined {
    const headBytes = MAGIC.length + SALT_BYTES + NONCE_BYTES
    if (bytes.length < headBytes + TAG_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC))
      return undefined
    const salt = bytes.subarray(MAGIC.length, MAGIC.length + SALT_BYTES)
    const nonce = bytes.subarray(MAGIC.length + SALT_BYTES, headBytes)
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#key(machineKey, salt), nonce, {
        authTagLength: TAG_BYTES,
      })
      decipher.setAAD(bytes.subarray(0, headBytes))
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES))
      const text = Buffer.concat([decipher.update(bytes.subarray(headBytes, -TAG_BYTES)), decipher.final()])
      return JSON.parse(text.toString('utf8')) as CopyJson // `as`: authenticated, so this program wrote it.
    } catch {
      return undefined
    }
  }

  /** HKDF-SHA-256 (RFC 5869) over the machine's key and the credential, bound to this machine and this delivery. */
  #key(machineKey: Buffer, salt: Buffer): Buffer {
    const { url, credentialId, credential, project = '', environment = '' } = this.#owner
    const machineId = readIfThere('/etc/machine-id')?.toString('latin1').trim() ?? ''
    const info = JSON.stringify([
      'keyhold/v1/offline-copy',
      machineId,
      url,
      credentialId,
      project,
      environment,
    ])
    const secret = Buffer.concat([machineKey, Buffer.from(credential)])
    return Buffer.from(
      hkdfSync('sha256', secret, salt, createHash('sha256').update(info).digest(), KEY_BYTES),
    )
  }

  /** The key of this machine and user, made the first time. */
  #machineKey(): Buffer {
    const existing = readIfThere(this.#keyPath)
    if (existing?.length === KEY_BYTES) return existing
    const key = randomBytes(KEY_BYTES)
    // Of two that make it at once, both use the one that is there then.
    writeWhole(this.#keyPath, key, existing === undefined)
    return readIfThere(this.#keyPath) ?? key
  }
}

interface CopyJson {
  readonly madeAt: number
  readonly maxAgeMs: number
  readonly delivery: ReturnType<typeof toJson>
}

const toJson = ({ environment, secrets, unresolved, referenced }: Delivery) => ({
  environment,
  unresolved,
  secrets: secrets.map(secretToJson),
  referenced: referenced.map(secretToJson),
})

const secretToJson = ({ name, type, value, source }: DeliveredSecret) => ({
  name,
  type,
  value: Buffer.from(value).toString('base64'),
  ...(source && { source }),
})

function fromJson({ environment, secrets, unresolved, referenced }: CopyJson['delivery']): Delivery {
  const toSecret = ({ value, ...rest }: ReturnType<typeof secretToJson>): DeliveredSecret => ({
    ...rest,
    value: Buffer.from(value, 'base64'),
  })
  return { environment, unresolved, secrets: secrets.map(toSecret), referenced: referenced.map(toSecret) }
}

function nameOf({ url, credentialId, project, environment }: CopyOwner): string {
  const text = JSON.stringify([url, credentialId, project ?? null, environment ?? null])
  return createHash('sha256').update(text).digest('hex').slice(0, 32)
}

/** A directory of the XDG Base Directory specification; a relative path in the variable is to be ignored. */
function baseDirectory(
  env: NodeJS.ProcessEnv,
  variable: 'XDG_CACHE_HOME' | 'XDG_STATE_HOME',
  rest: string,
): string {
  const { [variable]: given, HOME: home } = env
  if (given !== undefined && isAbsolute(given)) return given
  if (home !== undefined && isAbsolute(home)) return join(home, rest)
  throw new Failure(`neither HOME nor ${variable} says where an offline copy can be`, {
    hints: [`set ${variable} to a directory of your own`],
  })
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch {
    // What cannot be read is not there, as far as this goes.
    return undefined
  }
}

/** Writes a file that only this user can read, whole or not at all. @param isNew leaves one alone that is there. */
function writeWhole(path: string, bytes: Uint8Array, isNew = false): void {
  // A name that nobody can have prepared, as a link to another file, where the directory is not this user's alone.
  const partial = `${path}.${randomBytes(8).toString('hex')}`
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    const file = openSync(partial, 'wx', 0o600)
    try {
      writeSync(file, bytes)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    if (isNew) linkUnlessThere(partial, path)
    else renameSync(partial, path)
    rmSync(partial, { force: true })
  } catch (error) {
    try {
      rmSync(partial, { force: true })
    } catch {
      // Where a directory should be there may be a file.
    }
    throw new Failure(`the offline copy cannot be kept: ${path} cannot be written (${codeOf(error)})`)
  }
}

function linkUnlessThere(from: string, to: string): void {
  try {
    linkSync(from, to)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  }
}

/** `3 hours`, as a person says it. */
export function shownAge(ms: number): string {
  const minutes = Math.max(0, Math.round(ms / 60_000))
  const [count, unit] =
    minutes < 120
      ? [minutes, 'minute']
      : minutes < 2_880
        ? [Math.round(minutes / 60), 'hour']
        : [Math.round(minutes / 1_440), 'day']
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}
