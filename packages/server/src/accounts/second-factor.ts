import { hash } from 'node:crypto'
import { Secret } from '@keyhold/contract/secret'
import { randomKey } from '../base/ids.ts'

/** RFC 6238 with what every authenticator understands: SHA-1, six digits, 30 seconds. */
const PERIOD_S = 30
/** 160 bits, as RFC 4226 §4 recommends. */
const SECRET_BYTES = 20
/** A clock may be one step off, either way (RFC 6238 §5.2). */
const WINDOW = 1
const RECOVERY_CODES = 10
/** 80 bits: whoever steals their hashes finds none. */
const RECOVERY_CODE_BYTES = 10
/** Crockford's: no I, L, O and U, which are taken for others. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

export function newTotpSecret(): Secret<Uint8Array> {
  return new Secret(randomKey(SECRET_BYTES))
}

async function totpOf(secret: Secret<Uint8Array>, email: string) {
  // Loaded only where codes are checked: memory and start-up count.
  const { Secret: OtpSecret, TOTP } = await import('otpauth')
  const bytes = Uint8Array.from(secret.reveal())
  return new TOTP({
    issuer: 'Keyhold',
    label: email,
    period: PERIOD_S,
    secret: new OtpSecret({ buffer: bytes.buffer }),
  })
}

/** The secret as it is typed into an authenticator, and as it scans it. */
export async function shownTotp(
  secret: Secret<Uint8Array>,
  email: string,
): Promise<{ secret: Secret<string>; uri: Secret<string> }> {
  const totp = await totpOf(secret, email)
  return { secret: new Secret(totp.secret.base32), uri: new Secret(totp.toString()) }
}

/** The time step that a code is of; undefined when it is of none around now. */
export async function stepOf(
  secret: Secret<Uint8Array>,
  code: string,
  now: Date,
): Promise<number | undefined> {
  if (!/^\d{6}$/.test(code)) return undefined
  const totp = await totpOf(secret, '')
  const delta = totp.validate({ token: code, timestamp: now.getTime(), window: WINDOW })
  return delta === null ? undefined : Math.floor(now.getTime() / 1000 / PERIOD_S) + delta
}

/** Makes recovery codes such as `7KQ2-9FZD-0C4M-XW1E`. */
export function newRecoveryCodes(): Secret<string>[] {
  return Array.from({ length: RECOVERY_CODES }, () => {
    let bits = BigInt(`0x${randomKey(RECOVERY_CODE_BYTES).toString('hex')}`)
    let code = ''
    for (let i = 0; i < 16; i++) {
      code += ALPHABET[Number(bits % 32n)]
      if (i % 4 === 3 && i < 15) code += '-'
      bits /= 32n
    }
    return new Secret(code)
  })
}

/** Hashes a recovery code however it was typed: with or without dashes and spaces, in lower case, with O for 0. */
export function hashRecoveryCode(code: Secret<string>): Buffer {
  const plain = code.reveal().toUpperCase().replaceAll(/[\s-]/g, '')
  return hash('sha256', plain.replaceAll('O', '0').replaceAll(/[IL]/g, '1'), 'buffer')
}
