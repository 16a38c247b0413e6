import {
  type Checkpoint,
  formatVerifierKey,
  fromBase64,
  openCheckpoint,
  parseVerifierKey,
  toBase64,
  type VerifierKey,
} from './checkpoint.ts'
import { leafHash, MerkleTree, type Sha256 } from './merkle.ts'

/*
 * The exported audit log, UTF-8 text, one line each, fields separated by one TAB:
 *
 *   keyhold-audit-export/v1 <TAB> verifier key
 *   record     <TAB> leaf hash in base64 <TAB> the record, JSON, exactly the bytes that are hashed
 *   checkpoint <TAB> size <TAB> the signed checkpoint in base64
 *
 * Records stand in the order of the tree from leaf 0. A checkpoint stands after the record it covers last; the file ends
 * with one. The leaf hash beside each record is not trusted: it lets the verifier name the very line that was changed.
 */

const HEADER = 'keyhold-audit-export/v1'

export function exportHeader(verifierKey: string): string {
  return `${HEADER}\t${verifierKey}\n`
}

export function exportRecord(hash: Uint8Array, record: string): string {
  return `record\t${toBase64(hash)}\t${record}\n`
}

export function exportCheckpoint(size: number, note: string): string {
  return `checkpoint\t${size}\t${toBase64(new TextEncoder().encode(note))}\n`
}

export type AuditVerification =
  | { readonly ok: true; readonly size: number; readonly root: string; readonly checkpoints: number }
  | {
      readonly ok: false
      /** Line of the file, from 1. */
      readonly line: number
      /** Leaf the problem is at, or undefined where no single one can be named. */
      readonly index?: number
      readonly problem: string
    }

export interface VerifyOptions {
  readonly sha256: Sha256
  readonly verifySignature: (
    publicKey: Uint8Array,
    signature: Uint8Array,
    message: Uint8Array,
  ) => boolean | Promise<boolean>
  /** The key you trust, `name+hash+key`. Without it the key in the file is used, which proves less: see docs/audit-log.md. */
  readonly verifierKey?: string
  /** A checkpoint kept from earlier: the file must contain the tree it signed. */
  readonly earlierCheckpoint?: string
}

/**
 * Verifies an exported log without the server: each record, their order, and every checkpoint.
 * @param lines the file's lines without their newlines.
 */
export async function verifyAuditExport(
  lines: AsyncIterable<string>,
  options: VerifyOptions,
): Promise<AuditVerification> {
  const { sha256 } = options
  const tree = new MerkleTree(sha256)
  let key: VerifierKey | undefined
  let earlier: Checkpoint | undefined
  let line = 0
  let covered = -1
  let checkpoints = 0
  const fail = (problem: string, index?: number): AuditVerification => ({
    ok: false,
    line,
    ...(index !== undefined && { index }),
    problem,
  })

  for await (const text of lines) {
    line += 1
    const fields = text.split('\t')
    if (line === 1) {
      if (fields[0] !== HEADER || fields.length !== 2) return fail('this is not an exported audit log')
      key = parseVerifierKey(sha256, options.verifierKey ?? fields[1]!)
      if (!key) return fail('the verifier key is malformed')
      if (formatVerifierKey(sha256, key) !== fields[1]) {
        return fail('the log names another verifier key than the one you trust')
      }
      if (options.earlierCheckpoint !== undefined) {
        earlier = await openCheckpoint(sha256, options.verifySignature, options.earlierCheckpoint, key)
        if (!earlier) return fail('the earlier checkpoint is not signed by this log')
      }
    } else if (fields[0] === 'record' && fields.length === 3) {
      const problem = appendRecord(tree, sha256, fields[1]!, fields[2]!)
      if (problem) return fail(problem, tree.size)
    } else if (fields[0] === 'checkpoint' && fields.length === 3) {
      const note = fromBase64(fields[2]!)
      const checkpoint =
        note && (await openCheckpoint(sha256, options.verifySignature, decodeUtf8(note), key!))
      if (!checkpoint) return fail('the checkpoint is malformed or its signature is wrong')
      if (String(checkpoint.size) !== fields[1] || checkpoint.size !== tree.size) {
        return fail(
          `the checkpoint signs ${checkpoint.size} records, but ${tree.size} stand before it: records were removed or added`,
          Math.min(checkpoint.size, tree.size),
        )
      }
      if (!sameBytes(checkpoint.root, tree.root())) {
        return fail(
          `the records ${Math.max(covered, 0)} to ${tree.size - 1} are not the ones that were signed`,
          Math.max(covered, 0),
        )
      }
      covered = tree.size
      checkpoints += 1
    } else {
      return fail('this line is neither a record nor a checkpoint', tree.size)
    }
    if (earlier?.size === tree.size && line > 1 && !sameBytes(earlier.root, tree.root())) {
      return fail(`the first ${tree.size} records differ from those of the earlier checkpoint`)
    }
  }
  if (line === 0) return fail('the file is empty')
  if (covered !== tree.size)
    return fail('the log does not end with a checkpoint: its end was cut off', tree.size)
  if (earlier && earlier.size > tree.size) {
    return fail(
      `the earlier checkpoint signs ${earlier.size} records, but the log has only ${tree.size}`,
      tree.size,
    )
  }
  return { ok: true, size: tree.size, root: toBase64(tree.root()), checkpoints }
}

/** @returns what is wrong with the record, if anything. */
function appendRecord(tree: MerkleTree, sha256: Sha256, hash: string, record: string): string | undefined {
  const actual = leafHash(sha256, new TextEncoder().encode(record))
  if (toBase64(actual) !== hash) return `record ${tree.size} was changed`
  const index = /^\{"index":(\d+),/.exec(record)?.[1]
  if (index !== String(tree.size)) {
    return `record ${index ?? '?'} stands where record ${tree.size} belongs: records were removed, added or reordered`
  }
  tree.append(actual)
  return undefined
}

/** Every byte counts: no byte order mark is dropped. What is not UTF-8 becomes a character that no checkpoint has. */
function decodeUtf8(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
