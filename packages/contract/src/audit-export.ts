import type { AuditRecord } from './api/audit.ts'
import {
  type Checkpoint,
  formatVerifierKey,
  fromBase64,
  openCheckpoint,
  parseVerifierKey,
  toBase64,
  type VerifierKey,
} from './checkpoint.ts'
import { limits } from './limits.ts'
import { HASH_BYTES, leafHash, MerkleTree, type Sha256 } from './merkle.ts'

/*
 * The exported audit log, UTF-8 text, one line each, fields separated by one TAB:
 *
 *   keyhold-audit-export/v1 <TAB> verifier key
 *   record     <TAB> leaf hash in base64 <TAB> the record, JSON, exactly the bytes that are hashed
 *   removed    <TAB> index of the first <TAB> leaf hashes in base64, 32 bytes each
 *   checkpoint <TAB> size <TAB> the signed checkpoint in base64
 *
 * Records stand in the order of the tree from leaf 0. A checkpoint stands after the record it covers last; the file ends
 * with one. The leaf hash beside each record is not trusted: it lets the verifier name the very line that was changed.
 *
 * A `removed` line stands for records whose contents are gone. It is good only with a record `audit.remove` in the tree
 * that says so: {@link removedBefore}.
 */

const HEADER = 'keyhold-audit-export/v1'

export function exportHeader(verifierKey: string): string {
  return `${HEADER}\t${verifierKey}\n`
}

export function exportRecord(hash: Uint8Array, record: string): string {
  return `record\t${toBase64(hash)}\t${record}\n`
}

/** @param hashes of the leaves from `index` on. */
export function exportRemoved(index: number, hashes: readonly Uint8Array[]): string {
  const bytes = new Uint8Array(hashes.length * HASH_BYTES)
  for (const [i, hash] of hashes.entries()) bytes.set(hash, i * HASH_BYTES)
  return `removed\t${index}\t${toBase64(bytes)}\n`
}

export function exportCheckpoint(size: number, note: string): string {
  return `checkpoint\t${size}\t${toBase64(new TextEncoder().encode(note))}\n`
}

export type AuditVerification =
  | {
      readonly ok: true
      readonly size: number
      readonly root: string
      readonly checkpoints: number /** Records whose contents are gone, as retention says. */
      readonly removed: number
    }
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
  /** Checkpoints kept from earlier, as {@link checkpointsIn} finds them: the file must contain the trees they signed. */
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
  /** Those kept from earlier, smallest first; what was compared is taken away. */
  let earlier: Checkpoint[] = []
  let compared = 0
  let line = 0
  let covered = -1
  let checkpoints = 0
  const removals = new Removals()
  const fail = (problem: string, index?: number): AuditVerification => ({
    ok: false,
    line,
    ...(index !== undefined && { index }),
    problem,
  })

  const compareEarlier = (): AuditVerification | undefined => {
    for (; earlier[0]?.size === tree.size; earlier.shift()) {
      if (!sameBytes(earlier[0].root, tree.root()))
        return fail(
          `the records ${compared} to ${tree.size - 1} differ from those of the earlier checkpoint of ${tree.size}`,
          compared,
        )
      compared = tree.size
    }
    return undefined
  }

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
        const opened = await openAll(options, key)
        if (!opened) return fail('the earlier checkpoint is not signed by this log')
        earlier = opened
      }
    } else if (fields[0] === 'record' && fields.length === 3) {
      const problem = appendRecord(tree, sha256, fields[1]!, fields[2]!)
      if (problem) return fail(problem, tree.size)
      removals.saw(fields[2]!, tree.size - 1)
    } else if (fields[0] === 'removed' && fields.length === 3) {
      const start = tree.size
      const hashes = removedHashes(start, fields[1]!, fields[2]!)
      if (typeof hashes === 'string') return fail(hashes, start)
      for (const hash of hashes) {
        const rewritten = compareEarlier()
        if (rewritten) return rewritten
        tree.append(hash)
      }
      removals.add(start, tree.size, line)
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
    const rewritten = line > 1 && compareEarlier()
    if (rewritten) return rewritten
  }
  if (line === 0) return fail('the file is empty')
  if (covered !== tree.size)
    return fail('the log does not end with a checkpoint: its end was cut off', tree.size)
  const illicit = removals.illicit()
  if (illicit) {
    line = illicit.line
    return fail(
      `the contents of the records ${illicit.start} to ${illicit.end - 1} were removed, and no record in the log says that they were old enough`,
      illicit.start,
    )
  }
  const last = earlier.at(-1)
  if (last) {
    return fail(
      `the earlier checkpoint signs ${last.size} records, but the log has only ${tree.size}: it was cut, or rolled back`,
      tree.size,
    )
  }
  return { ok: true, size: tree.size, root: toBase64(tree.root()), checkpoints, removed: removals.count }
}

/**
 * Finds checkpoints in a text: as they are (also after the line that `keyhold audit check` keeps), as lines of an export or
 * of a file that a server appends to, or as JSON with a field `checkpoint`, in whatever a receiver of syslog or webhooks
 * wrote around it.
 */
export function checkpointsIn(text: string): string[] {
  const bare = text.match(/[^\n\t]+\n\d+\n[A-Za-z0-9+/=]+\n(?:[^\n]+\n)*\n(?:\u2014 [^\n]+\n)+/g) ?? []
  const lines = [...text.matchAll(/^checkpoint\t\d+\t(\S+)$/gm)].flatMap(([, encoded = '']) => {
    const note = fromBase64(encoded)
    return note ? [decodeUtf8(note)] : []
  })
  const fields = [...text.matchAll(/"checkpoint":("(?:[^"\\]|\\.)*")/g)].flatMap(([, json = '']) => {
    try {
      return [JSON.parse(json) as string] // `as`: the group is a JSON string.
    } catch {
      return []
    }
  })
  return [...new Set([...bare, ...lines, ...fields])]
}

/** @returns smallest first; undefined when there is none, or one is not signed by `key`. */
async function openAll(
  { sha256, verifySignature, earlierCheckpoint = '' }: VerifyOptions,
  key: VerifierKey,
): Promise<Checkpoint[] | undefined> {
  const opened: Checkpoint[] = []
  for (const note of checkpointsIn(earlierCheckpoint)) {
    const checkpoint = await openCheckpoint(sha256, verifySignature, note, key)
    if (!checkpoint) return undefined
    opened.push(checkpoint)
  }
  return opened.length > 0 ? opened.sort((a, b) => a.size - b.size) : undefined
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

/** @param start where the tree is. @returns the hashes of a line, or what is wrong with it. */
function removedHashes(start: number, index: string, encoded: string): Uint8Array[] | string {
  const hashes = fromBase64(encoded)
  if (!hashes || hashes.length === 0 || hashes.length % HASH_BYTES !== 0)
    return 'the hashes of the removed records are malformed'
  if (index !== String(start))
    return `removed records from ${index} stand where record ${start} belongs: records were removed, added or reordered`
  return Array.from({ length: hashes.length / HASH_BYTES }, (_, i) =>
    hashes.slice(i * HASH_BYTES, (i + 1) * HASH_BYTES),
  )
}

/**
 * What a record says about removal: the index before which the contents of all records are gone; 0 for other records. One
 * that names fewer days than any policy may have says nothing.
 */
function removedBefore(json: string): number {
  if (!json.includes('"audit.remove"')) return 0
  try {
    const { action, outcome, actor, removed } = JSON.parse(json) as Partial<AuditRecord> // `as`: all of it is compared.
    const isDecision = action === 'audit.remove' && outcome === 'success' && actor?.kind === 'server'
    const { before = 0, retentionDays = 0 } = (isDecision && removed) || {}
    return Number.isSafeInteger(before) && retentionDays >= limits.auditRetentionDaysMin ? before : 0
  } catch {
    return 0
  }
}

/** Which records were removed, and which of that the tree itself says. */
class Removals {
  readonly #ranges: { readonly start: number; readonly end: number; readonly line: number }[] = []
  #decided = 0
  count = 0

  add(start: number, end: number, line: number): void {
    this.count += end - start
    this.#ranges.push({ start, end, line })
  }

  /** A decision is about what is before it: one about itself, or what is to come, says nothing. */
  saw(json: string, index: number): void {
    const before = removedBefore(json)
    if (before <= index) this.#decided = Math.max(this.#decided, before)
  }

  illicit(): { readonly start: number; readonly end: number; readonly line: number } | undefined {
    const found = this.#ranges.find(({ end }) => end > this.#decided)
    return found && { ...found, start: Math.max(found.start, this.#decided) }
  }
}

/** Every byte counts: no byte order mark is dropped. What is not UTF-8 becomes a character that no checkpoint has. */
function decodeUtf8(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
