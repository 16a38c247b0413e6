import { execFileSync } from 'node:child_process'
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sshStrings } from '../src/base/ssh-wire.ts'

/** A new public key, made in no time. @param comment none when empty. */
export function newSshKey(comment = 'ann@laptop') {
  const { x } = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' })
  const blob = sshStrings('ssh-ed25519', Buffer.from(x!, 'base64url')) // `!`: an Ed25519 key has one.
  const base = `ssh-ed25519 ${blob.toString('base64')}`
  const fingerprint = `SHA256:${createHash('sha256').update(blob).digest('base64').replace('=', '')}`
  return { blob, base, line: comment ? `${base} ${comment}` : base, fingerprint }
}

/** What a client asks an agent to sign when it logs in. */
export function login(
  blob: Uint8Array,
  change: Partial<Record<'user' | 'service' | 'method' | 'algorithm', string>> = {},
) {
  const { user = 'git', service = 'ssh-connection', method = 'publickey', algorithm = 'ssh-ed25519' } = change
  return Buffer.concat([
    sshStrings(randomBytes(32)),
    Buffer.from([50]),
    sshStrings(user, service, method),
    Buffer.from([1]),
    sshStrings(algorithm, blob),
  ])
}

/** What `ssh-keygen -Y sign` signs. */
export function signedData(message: string, namespace = 'git', hash = 'sha512') {
  return Buffer.concat([
    Buffer.from('SSHSIG'),
    sshStrings(namespace, '', hash, createHash(hash).update(message).digest()),
  ])
}

/** A key pair as ssh-keygen makes it. */
export function newSshPair(
  type = 'ed25519',
  ...more: string[]
): { line: string; privateKey: string; blob: Buffer } {
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-pair-'))
  try {
    const path = join(folder, 'id')
    execFileSync('ssh-keygen', ['-q', '-t', type, ...more, '-N', '', '-f', path])
    const read = (name: string) => execFileSync('cat', [name]).toString()
    const line = read(`${path}.pub`).trim()
    return { line, privateKey: read(path), blob: Buffer.from(line.split(' ')[1]!, 'base64') }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
