import { createHash, generateKeyPairSync } from 'node:crypto'
import { sshStrings } from '../src/base/ssh-wire.ts'

/** A new public key, made in no time. @param comment none when empty. */
export function newSshKey(comment = 'ann@laptop') {
  const { x } = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' })
  const blob = sshStrings('ssh-ed25519', Buffer.from(x!, 'base64url')) // `!`: an Ed25519 key has one.
  const base = `ssh-ed25519 ${blob.toString('base64')}`
  const fingerprint = `SHA256:${createHash('sha256').update(blob).digest('base64').replace('=', '')}`
  return { blob, base, line: comment ? `${base} ${comment}` : base, fingerprint }
}
