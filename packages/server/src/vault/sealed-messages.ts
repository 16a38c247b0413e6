import { createSecretKey, type KeyObject } from 'node:crypto'
import { type Context, decrypt, encrypt } from './envelope.ts'

/** The envelope names a key. Here both sides know which. */
const KEY_ID = new Uint8Array(16)

/** Short texts between servers that share a keyring: nobody else can read one, or make one. */
export class SealedMessages {
  readonly #key: KeyObject

  /** @param key 32 bytes, for these messages only. */
  constructor(key: Buffer) {
    this.#key = createSecretKey(key)
  }

  /** @param context what the other side expects; not part of the text. @returns base64url. */
  seal(context: Context, text: string): string {
    return encrypt(this.#key, KEY_ID, context, Buffer.from(text)).toString('base64url')
  }

  /** @returns undefined when it was not sealed here, or for something else. */
  open(context: Context, sealed: string): string | undefined {
    return decrypt(this.#key, context, Buffer.from(sealed, 'base64url'))?.toString()
  }
}
