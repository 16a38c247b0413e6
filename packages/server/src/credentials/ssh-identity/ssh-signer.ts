import { createPrivateKey, generateKeyPair, sign } from 'node:crypto'
import { promisify } from 'node:util'
import { Secret } from '@keyhold/contract/secret'
import { mpintBytes, sshStrings } from '../../base/ssh-wire.ts'
import { bitsOf, type IdentityType, type SignatureAlgorithm } from './ssh-identity.ts'

const generate = promisify(generateKeyPair)

/** Makes a key pair. The private half is PKCS #8 DER; making one of RSA takes seconds, off the main thread. */
export async function generateIdentity(
  type: IdentityType,
): Promise<{ blob: Buffer; privateKey: Secret<Uint8Array> }> {
  const { publicKey, privateKey } =
    type === 'ssh-ed25519'
      ? await generate('ed25519')
      : await generate('rsa', { modulusLength: bitsOf['ssh-rsa'] })
  const jwk = publicKey.export({ format: 'jwk' })
  const field = (name: 'x' | 'e' | 'n') => Buffer.from(jwk[name]!, 'base64url') // `!`: what keys of the type have.
  const blob =
    type === 'ssh-ed25519'
      ? sshStrings(type, field('x'))
      : sshStrings(type, mpintBytes(field('e')), mpintBytes(field('n')))
  return { blob, privateKey: new Secret(privateKey.export({ type: 'pkcs8', format: 'der' })) }
}

/** Signs. @returns a signature blob of SSH: algorithm and signature (RFC 8709 §6, RFC 8332 §3). */
export function signWith(
  privateKey: Secret<Uint8Array>,
  algorithm: SignatureAlgorithm,
  data: Uint8Array,
): Buffer {
  const key = createPrivateKey({ key: Buffer.from(privateKey.reveal()), type: 'pkcs8', format: 'der' })
  const hash = algorithm === 'ssh-ed25519' ? null : algorithm === 'rsa-sha2-256' ? 'sha256' : 'sha512'
  return sshStrings(algorithm, sign(hash, data, key))
}
