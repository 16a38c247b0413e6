import crypto, { createHash, createPublicKey, diffieHellman, generateKeyPairSync } from 'node:crypto'

/*
 * `mlkem768x25519-sha256` (draft-ietf-sshm-mlkem-hybrid-kex), the server's side of it: what is recorded today is not read by
 * a quantum computer of tomorrow, and OpenSSH since 10.1 warns where it is missing.
 */

export const HYBRID_KEX = 'mlkem768x25519-sha256'

/** FIPS 203, table 3: encapsulation key and ciphertext of ML-KEM-768; RFC 7748 §5: X25519. */
const ENCAPSULATION_KEY_BYTES = 1184
const POINT_BYTES = 32

/** What comes before the key in DER: SubjectPublicKeyInfo of ML-KEM-768 (RFC 9935 §4) and of X25519 (RFC 8410 §4). */
const ML_KEM_768_SPKI = Buffer.from('308204b2300b0609608648016503040402038204a100', 'hex')
const X25519_SPKI = Buffer.from('302a300506032b656e032100', 'hex')

/** Whether it can be had: Node has ML-KEM since 24.7, and only with an OpenSSL that has it. */
export function hasHybridKex(): boolean {
  try {
    generateKeyPairSync('ml-kem-768')
    return typeof crypto.encapsulate === 'function'
  } catch {
    return false
  }
}

/**
 * Answers the client's half (C_INIT: encapsulation key, then point).
 * @returns S_REPLY (ciphertext, then our point) and K, which is hashed as a string, not as an mpint.
 * @throws Error for a wrong length, for an encapsulation key that fails the check of FIPS 203 §7.2, and for a point of small
 * order, whose secret would be all zero (RFC 7748 §6.1).
 */
export function answerHybrid(theirs: Uint8Array): { reply: Buffer; secret: Buffer } {
  if (theirs.length !== ENCAPSULATION_KEY_BYTES + POINT_BYTES) throw new Error('a wrong length')
  const spki = (prefix: Buffer, raw: Uint8Array) =>
    createPublicKey({ key: Buffer.concat([prefix, raw]), format: 'der', type: 'spki' })
  const encapsulationKey = spki(ML_KEM_768_SPKI, theirs.subarray(0, ENCAPSULATION_KEY_BYTES))
  const point = spki(X25519_SPKI, theirs.subarray(ENCAPSULATION_KEY_BYTES))
  const { sharedKey, ciphertext } = crypto.encapsulate(encapsulationKey)
  const ours = generateKeyPairSync('x25519')
  const classical = diffieHellman({ privateKey: ours.privateKey, publicKey: point })
  const ourPoint = ours.publicKey.export({ format: 'der', type: 'spki' }).subarray(-POINT_BYTES)
  return {
    reply: Buffer.concat([ciphertext, ourPoint]),
    secret: createHash('sha256').update(sharedKey).update(classical).digest(),
  }
}
