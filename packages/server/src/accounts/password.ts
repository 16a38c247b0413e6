import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import type { Secret } from '@keyhold/contract/secret'
import { AppError } from '../base/app-error.ts'

const argon2Async = promisify(argon2)

/** RFC 9106 §4, second recommended option, with one lane: 64 MiB, 3 passes. */
const PARAMETERS = { memory: 65_536, passes: 3, parallelism: 1 }
const SALT_BYTES = 16
const HASH_BYTES = 32
/** Hashes computed at once: each takes 64 MiB, and strangers may ask for them. */
const PARALLEL_MAX = 2

/** Hashes that may wait; more is an attack, and would keep everybody from signing in. */
const WAITING_MAX = 64

let running = 0
const queue: (() => void)[] = []

async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (queue.length >= WAITING_MAX) throw new AppError('rate.limited', { retryAfterSeconds: 5 })
  if (running >= PARALLEL_MAX) await new Promise<void>((resolve) => queue.push(resolve))
  running += 1
  try {
    return await work()
  } finally {
    running -= 1
    queue.shift()?.()
  }
}

function hash(password: Secret<string>, salt: Uint8Array, parameters: typeof PARAMETERS): Promise<Buffer> {
  // NFC, so that one password typed on two systems is one password (NIST SP 800-63B §3.1.1.2).
  const message = Buffer.from(password.reveal().normalize('NFC'))
  return inTurn(() => argon2Async('argon2id', { message, nonce: salt, tagLength: HASH_BYTES, ...parameters }))
}

/** Hashes a password with Argon2id. @returns the PHC string `$argon2id$v=19$m=…,t=…,p=…$salt$hash`. */
export async function hashPassword(password: Secret<string>): Promise<string> {
  const salt = randomBytes(SALT_BYTES)
  const digest = await hash(password, salt, PARAMETERS)
  const { memory, passes, parallelism } = PARAMETERS
  const encode = (bytes: Buffer) => bytes.toString('base64').replaceAll('=', '')
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${encode(salt)}$${encode(digest)}`
}

/** In place of a hash, of accounts that only an identity provider signs in. */
export const NO_PASSWORD = ''

/** A hash that no password has, to spend the same time on people who do not exist. */
const nobodysHash = `$argon2id$v=19$m=${PARAMETERS.memory},t=${PARAMETERS.passes},p=${PARAMETERS.parallelism}$${'A'.repeat(22)}$${'A'.repeat(43)}`

/** Compares a password with a stored hash, taking as long when there is none. */
export async function isPassword(stored: string | undefined, password: Secret<string>): Promise<boolean> {
  const match = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(
    stored || nobodysHash,
  )
  if (!match) throw new Error('a stored password hash is malformed')
  const [memory, passes, parallelism] = match.slice(1, 4).map(Number) as [number, number, number] // `as`: three groups.
  const expected = Buffer.from(match[5]!, 'base64')
  const actual = await hash(password, Buffer.from(match[4]!, 'base64'), { memory, passes, parallelism })
  return timingSafeEqual(actual, expected) && stored !== undefined && stored !== NO_PASSWORD
}
