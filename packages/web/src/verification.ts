import { type AuditProof, parseAuditProof } from '@keyhold/contract/audit-proof'
import {
  type Checkpoint,
  fromBase64,
  openCheckpoint,
  parseVerifierKey,
  toBase64,
} from '@keyhold/contract/checkpoint'
import type { Sha256 } from '@keyhold/contract/merkle'
import { verifyConsistency, verifyInclusion } from '@keyhold/contract/merkle-proof'

/*
 * The proofs of the audit log, checked in the browser by its own cryptography (Web Crypto): nothing that the server says of
 * them is believed.
 */

/** What a proof failed by. */
export type Flaw =
  | 'unsupported'
  | 'badKey'
  | 'badSignature'
  | 'badKept'
  | 'rewritten'
  | 'setBack'
  | 'badProof'
  | 'otherRecord'

export type Verdict<Proven> = { readonly flaw: Flaw } | ({ readonly flaw?: undefined } & Proven)

class MissingHash extends Error {}

/**
 * Runs work that wants its hashes at once, with Web Crypto, which answers later: where a hash is not there yet, the work is
 * left, and begun again once it is. Proofs have some dozen hashes.
 */
async function withSha256<T>(work: (sha256: Sha256) => T | Promise<T>): Promise<T> {
  const known = new Map<string, Uint8Array>()
  for (;;) {
    let missing: Uint8Array<ArrayBuffer> | undefined
    try {
      return await work((bytes) => {
        const hash = known.get(toBase64(bytes))
        if (hash) return hash
        missing = new Uint8Array(bytes)
        throw new MissingHash()
      })
    } catch (error) {
      if (!(error instanceof MissingHash) || missing === undefined) throw error
      known.set(toBase64(missing), new Uint8Array(await crypto.subtle.digest('SHA-256', missing)))
    }
  }
}

/** Ed25519 (RFC 8032) by a bare public key. @throws DOMException where the browser does not have it. */
async function verifySignature(publicKey: Uint8Array, signature: Uint8Array, message: Uint8Array) {
  const key = await crypto.subtle.importKey('raw', new Uint8Array(publicKey), 'Ed25519', false, ['verify'])
  return crypto.subtle.verify('Ed25519', key, new Uint8Array(signature), new Uint8Array(message))
}

/** Reads a checkpoint that `verifierKey` has to have signed. */
export async function verifyCheckpoint(
  note: string,
  verifierKey: string,
): Promise<Verdict<{ checkpoint: Checkpoint }>> {
  try {
    return await withSha256(async (sha256) => {
      const key = parseVerifierKey(sha256, verifierKey)
      if (!key) return { flaw: 'badKey' }
      const checkpoint = await openCheckpoint(sha256, verifySignature, note, key)
      return checkpoint ? { checkpoint } : { flaw: 'badSignature' }
    })
  } catch (error) {
    if (error instanceof DOMException && error.name === 'NotSupportedError') return { flaw: 'unsupported' }
    throw error
  }
}

/**
 * Whether the log has grown out of the checkpoint that somebody kept.
 *
 * @param hashes of the server's proof, in base64 (RFC 9162 §2.1.4)
 */
export async function verifyGrowth(
  keptNote: string,
  grown: { readonly checkpoint: string; readonly hashes: readonly string[] },
  verifierKey: string,
): Promise<Verdict<{ before: number; now: number }>> {
  const now = await verifyCheckpoint(grown.checkpoint, verifierKey)
  if (now.flaw) return now
  const before = await verifyCheckpoint(keptNote, verifierKey)
  if (before.flaw) return { flaw: before.flaw === 'badSignature' ? 'badKept' : before.flaw }
  if (now.checkpoint.size < before.checkpoint.size) return { flaw: 'setBack' }
  const hashes = grown.hashes.map((hash) => fromBase64(hash) ?? new Uint8Array())
  const isGrown = await withSha256((sha256) =>
    verifyConsistency(sha256, before.checkpoint, now.checkpoint, hashes),
  )
  return isGrown ? { before: before.checkpoint.size, now: now.checkpoint.size } : { flaw: 'rewritten' }
}

/** Whether `shown` is in the tree that was signed, byte for byte. @param text as in contract/audit-proof.ts */
export async function verifyRecord(
  text: string,
  shown: { readonly index: number },
  verifierKey: string,
): Promise<Verdict<{ size: number }>> {
  const proof = parseAuditProof(text)
  if (!proof) return { flaw: 'badProof' }
  const signed = await verifyCheckpoint(proof.checkpoint, verifierKey)
  if (signed.flaw) return signed
  const isIn = await withSha256((sha256) =>
    verifyInclusion(sha256, proof.record, proof.index, signed.checkpoint, proof.hashes),
  )
  if (!isIn) return { flaw: 'badProof' }
  return isOf(proof, shown) ? { size: signed.checkpoint.size } : { flaw: 'otherRecord' }
}

function isOf({ record, index }: AuditProof, shown: { readonly index: number }): boolean {
  const proven: unknown = JSON.parse(new TextDecoder().decode(record))
  return index === shown.index && inOneOrder(proven) === inOneOrder(shown)
}

/** The same text for the same fields, in whatever order they came. */
const inOneOrder = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  )

/** How many records a checkpoint is about, before anybody has verified it: its second line. */
export const sizeOf = (note: string): number => Number(note.split('\n')[1])
