import { hash } from 'node:crypto'
import { leafHash, type MerkleTree } from '@keyhold/contract/merkle'
import type { Tables } from '../storage/tables.ts'

/** Records of a span of time, and of what is removed at once: a whole subtree. */
export const SPAN = 256

/** An entry on its way into the tree: its JSON without the index, and the copies for filtering. */
export interface PendingRecord {
  /** `{"time":…}`; the index is put first when the place is known. */
  readonly json: string
  readonly time: number
  readonly action: string
  readonly outcome: string
  readonly actorId: string | null
  readonly projectId: string | null
  readonly secretName: string | null
  readonly workspaceId: string | null
}

export const sha256 = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer')

/** Gives an entry its place at the end of the tree. @returns its row. */
export function appendLeaf(tree: MerkleTree, entry: PendingRecord): Tables['audit_records'] {
  const leaf_index = tree.size
  const record = `{"index":${leaf_index},${entry.json.slice(1)}`
  const leaf_hash = leafHash(sha256, Buffer.from(record))
  tree.append(leaf_hash)
  return {
    leaf_index,
    leaf_hash,
    record,
    time: entry.time,
    action: entry.action,
    outcome: entry.outcome,
    actor_id: entry.actorId,
    project_id: entry.projectId,
    secret_name: entry.secretName,
    workspace_id: entry.workspaceId,
  }
}
