import { fromBase64, toBase64 } from './checkpoint.ts'
import { HASH_BYTES } from './merkle.ts'

/*
 * The proof of one audit record as a file: C2SP tlog-proof, with the record as its extra data.
 *
 *   c2sp.org/tlog-proof@v1
 *   extra base64(record)
 *   index in decimal
 *   a hash in base64 per line
 *   (empty line)
 *   the checkpoint
 *
 * https://c2sp.org/tlog-proof
 */

const FIRST_LINE = 'c2sp.org/tlog-proof@v1'

export interface AuditProof {
  /** The exact bytes that are hashed. */
  readonly record: Uint8Array
  readonly index: number
  readonly hashes: readonly Uint8Array[]
  /** The signed checkpoint. */
  readonly checkpoint: string
}

export function formatAuditProof({ record, index, hashes, checkpoint }: AuditProof): string {
  const lines = [FIRST_LINE, `extra ${toBase64(record)}`, `index ${index}`, ...hashes.map(toBase64)]
  return `${lines.join('\n')}\n\n${checkpoint}`
}

/** @returns undefined when it is not in the format. */
export function parseAuditProof(text: string): AuditProof | undefined {
  const end = text.indexOf('\n\n')
  if (end < 0) return undefined
  const [first, extra, index, ...lines] = text.slice(0, end).split('\n')
  const record = extra?.startsWith('extra ') ? fromBase64(extra.slice('extra '.length)) : undefined
  const number = /^index (0|[1-9]\d{0,15})$/.exec(index ?? '')?.[1]
  if (first !== FIRST_LINE || record === undefined || number === undefined) return undefined
  const hashes: Uint8Array[] = []
  for (const line of lines) {
    const hash = fromBase64(line)
    if (hash?.length !== HASH_BYTES) return undefined
    hashes.push(hash)
  }
  return { record, index: Number(number), hashes, checkpoint: text.slice(end + 2) }
}
