import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import type { Action, Outcome } from '@keyhold/contract/actions'
import type { AuditRecord } from '@keyhold/contract/api/audit'
import {
  type AuditVerification,
  exportCheckpoint,
  exportHeader,
  exportRecord,
  exportRemoved,
  verifyAuditExport,
} from '@keyhold/contract/audit-export'
import { formatAuditProof } from '@keyhold/contract/audit-proof'
import {
  checkpointBody,
  formatVerifierKey,
  openCheckpoint,
  signedCheckpoint,
  type VerifierKey,
} from '@keyhold/contract/checkpoint'
import type { ErrorCode } from '@keyhold/contract/errors'
import type { MerkleTree } from '@keyhold/contract/merkle'
import { consistencyRanges, inclusionRanges, verifyHash } from '@keyhold/contract/merkle-proof'
import { AppError } from '../base/app-error.ts'
import type { Clock } from '../base/clock.ts'
import type { Origin } from '../base/origin.ts'
import type { Storage } from '../storage/storage.ts'
import type { Queries, Transaction } from '../storage/tables.ts'
import type { Vault } from '../vault/vault.ts'
import {
  type AuditFilter,
  addCheckpoint,
  appendRecords,
  checkpointFrom,
  countRecords,
  findRemoval,
  type Leaf,
  latestCheckpoint,
  listCheckpoints,
  readBegin,
  readHead,
  readLeaves,
  readRecords,
} from './audit.store.ts'
import { AuditProofs } from './audit-proofs.ts'
import { growSpans, searchRecords } from './audit-search.ts'
import { type AuditWriter, openAuditWriter } from './audit-writer.ts'
import { type PendingRecord, SPAN, sha256 } from './leaf.ts'

/** PKCS #8 around a raw Ed25519 seed (RFC 8410 §7). */
const ED25519_PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')
const EXPORT_PAGE = 1_000
/** After a failure the log tries again by itself, so that readiness comes back without a request. */
const RETRY_MS = 1_000
/** Records that may wait for the disk before new ones are refused. */
const WAITING_MAX = 20_000

/** What happened, before it has a place in the tree. Never holds a value. */
export interface AuditEntry {
  readonly action: Action
  readonly outcome: Outcome
  /** Of a refusal or failure. */
  readonly reason?: ErrorCode
  readonly actor: AuditRecord['actor']
  readonly project?: { readonly id: string; readonly name?: string }
  readonly environment?: string
  readonly workspace?: string
  readonly target?: NonNullable<AuditRecord['target']>
  readonly use?: NonNullable<AuditRecord['use']>
  readonly host?: string
  readonly changed?: readonly string[]
  readonly removed?: NonNullable<AuditRecord['removed']>
  readonly origin: Origin
}

/** Whose names the log can be searched for. */
const isSecret = (kind: string | undefined) =>
  kind !== undefined && ['secret', 'personal-secret', 'workspace-secret', 'secret-override'].includes(kind)

interface Waiting {
  readonly records: readonly PendingRecord[]
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** The audit trail: an append-only Merkle tree with signed checkpoints. */
export class AuditLog {
  readonly verifierKey: string
  readonly #storage: Storage
  readonly #clock: Clock
  readonly #writer: AuditWriter
  readonly #proofs: AuditProofs
  readonly #signingKey: KeyObject
  readonly #key: VerifierKey
  #waiting: Waiting[] = []
  #waitingRecords = 0
  #isWriting = false
  #problem: string | undefined
  #retry: NodeJS.Timeout | undefined

  /** @param instanceId names the log in its checkpoints. */
  constructor(storage: Storage, vault: Vault, clock: Clock, instanceId: string) {
    this.#storage = storage
    this.#clock = clock
    this.#writer = openAuditWriter(storage)
    this.#proofs = new AuditProofs(storage)
    const seed = vault.deriveKey('audit-checkpoint')
    this.#signingKey = createPrivateKey({
      key: Buffer.concat([ED25519_PKCS8, seed]),
      format: 'der',
      type: 'pkcs8',
    })
    const publicKey = createPublicKey(this.#signingKey).export({ format: 'der', type: 'spki' }).subarray(-32)
    this.#key = { name: `keyhold-audit/${instanceId}`, publicKey }
    this.verifierKey = formatVerifierKey(sha256, this.#key)
  }

  /** Why nothing can be recorded, as of the last attempt; undefined when all is well. */
  get problem(): string | undefined {
    return this.#problem
  }

  /**
   * Records entries; resolves when they are on disk. Entries of requests that come while the disk is busy go together
   * into the next commit.
   * @throws AppError `audit.unavailable`: then nothing may be delivered.
   */
  append(...entries: readonly AuditEntry[]): Promise<void> {
    if (this.#waitingRecords >= WAITING_MAX) {
      return Promise.reject(
        new AppError('audit.unavailable', { detail: 'too many records wait for the disk' }),
      )
    }
    return new Promise((resolve, reject) => {
      const records = entries.map((entry) => this.#toPending(entry))
      this.#waiting.push({ records, resolve, reject })
      this.#waitingRecords += records.length
      if (!this.#isWriting) void this.#writeWaiting()
    })
  }

  /** Records entries in the transaction of the change they describe. */
  async appendIn(tx: Transaction, ...entries: readonly AuditEntry[]): Promise<void> {
    await appendRecords(
      tx,
      entries.map((entry) => this.#toPending(entry)),
    )
  }

  async #writeWaiting(): Promise<void> {
    this.#isWriting = true
    while (this.#waiting.length > 0) {
      const batch = this.#waiting
      this.#waiting = []
      this.#waitingRecords = 0
      try {
        await this.#writer.write(batch.flatMap((waiting) => waiting.records))
        this.#problem = undefined
        for (const waiting of batch) waiting.resolve()
      } catch (error) {
        const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
        this.#problem = shownProblem(error, cause)
        this.#retryLater()
        for (const waiting of batch) waiting.reject(new AppError('audit.unavailable', {}, cause))
      }
    }
    this.#isWriting = false
  }

  /** A balancer that heeds readiness sends nothing that could show that the disk is back: an empty batch does. */
  #retryLater(): void {
    clearTimeout(this.#retry)
    // Its failure is in `problem` like any other, and comes back here.
    this.#retry = setTimeout(() => void this.append().catch(() => {}), RETRY_MS)
    this.#retry.unref()
  }

  #toPending(entry: AuditEntry): PendingRecord {
    const now = this.#clock.now()
    const { origin } = entry
    // The order of these keys is the order in the record.
    const json = JSON.stringify({
      time: now.toISOString(),
      action: entry.action,
      outcome: entry.outcome,
      reason: entry.reason,
      actor: entry.actor,
      project: entry.project,
      environment: entry.environment,
      workspace: entry.workspace,
      target: entry.target,
      use: entry.use,
      host: entry.host,
      changed: entry.changed,
      removed: entry.removed,
      address: origin.address,
      client: origin.client,
      traceId: origin.traceId,
    })
    return {
      json,
      time: now.getTime(),
      action: entry.action,
      outcome: entry.outcome,
      actorId: entry.actor.id ?? null,
      projectId: entry.project?.id ?? null,
      secretName: isSecret(entry.target?.kind) ? (entry.target?.name ?? null) : null,
      workspaceId: entry.workspace ?? null,
    }
  }

  /**
   * Newest first. A search ends when it has taken a while: then the page is short, perhaps empty, and says where to go on.
   * @returns the records, where the next page begins (null when there is no more), and where the log begins.
   */
  async list(
    filter: AuditFilter,
    limit: number,
  ): Promise<{ records: AuditRecord[]; nextCursor: number | null; begin: number }> {
    const { rows, nextCursor } = await searchRecords(this.#storage.db, filter, limit)
    const records = rows.map((row) => JSON.parse(row.record) as AuditRecord) // `as`: written by #toPending.
    return { records, nextCursor, begin: await readBegin(this.#storage.db) }
  }

  /** Signs the head of the tree as it is on disk now. */
  async checkpoint(): Promise<string> {
    return this.#sign(await readHead(this.#storage.db))
  }

  /** As {@link checkpoint}, with the number of records it covers. */
  async signedHead(): Promise<{ size: number; note: string }> {
    const tree = await readHead(this.#storage.db)
    return { size: tree.size, note: this.#sign(tree) }
  }

  /** The head that was kept last; undefined before the first. */
  latestCheckpoint(): Promise<{ size: number; note: string } | undefined> {
    return latestCheckpoint(this.#storage.db)
  }

  /** How many records there are. */
  async size(db: Queries = this.#storage.db): Promise<number> {
    return (await readHead(db)).size
  }

  /** Records from `start` up to before `end`: the bytes that are hashed, and the hash. */
  async read(start: number, end: number): Promise<{ hash: Uint8Array; json: string }[]> {
    const rows = await readRecords(this.#storage.db, start, end)
    return rows.map((row) => ({ hash: row.leaf_hash, json: row.record }))
  }

  /** Index of the first record whose contents were not removed. */
  begin(db: Queries = this.#storage.db): Promise<number> {
    return readBegin(db)
  }

  /** Hashes of leaves from `start` up to before `end`, those of removed records included. */
  async readHashes(start: number, end: number): Promise<Uint8Array[]> {
    return (await readLeaves(this.#storage.db, start, end)).map((leaf) => leaf.leaf_hash)
  }

  /** Keeps a signed head in the database when the tree has grown since the last one. */
  async keepCheckpoint(): Promise<void> {
    const tree = await readHead(this.#storage.db)
    if (tree.size === ((await latestCheckpoint(this.#storage.db))?.size ?? 0)) return
    const row = { size: tree.size, note: this.#sign(tree), time: this.#clock.now().getTime() }
    await this.#storage.transaction((tx) => addCheckpoint(tx, row))
  }

  /**
   * Proves that a record is in the tree as it is now.
   * @param isVisible whether the caller may see it. @returns a proof in the format of contract/audit-proof.ts.
   * @throws AppError `audit.record_not_found`, also for a record that may not be seen; `audit.record_removed`, for
   * everybody alike.
   */
  async prove(index: number, isVisible: (record: AuditRecord) => boolean): Promise<string> {
    const { db } = this.#storage
    const tree = await readHead(db)
    const [row] = index < tree.size ? await readRecords(db, index, index + 1) : []
    const removedAt = row || index >= tree.size ? undefined : await findRemoval(db, index)
    if (removedAt !== undefined) throw removed(index, removedAt)
    // `as`: written by #toPending.
    if (!row || !isVisible(JSON.parse(row.record) as AuditRecord))
      throw new AppError('audit.record_not_found')
    await this.#proofs.grow()
    const hashes = await this.#proofs.hashes(inclusionRanges(index, tree.size))
    return formatAuditProof({ record: Buffer.from(row.record), index, hashes, checkpoint: this.#sign(tree) })
  }

  /**
   * Proves that the tree as it is now has grown out of the one of `size` records.
   * @throws AppError `audit.shorter` when it is smaller than that.
   */
  async proveGrowth(size: number): Promise<{ hashes: Uint8Array[]; checkpoint: string }> {
    const tree = await readHead(this.#storage.db)
    if (size > tree.size) throw new AppError('audit.shorter')
    await this.#proofs.grow()
    const hashes = await this.#proofs.hashes(consistencyRanges(size, tree.size))
    return { hashes, checkpoint: this.#sign(tree) }
  }

  /**
   * Roots of whole blocks of {@link SPAN} records, from block `position` on, proven to be in the tree that was signed first
   * after them: what the database says of itself counts for nothing.
   * @returns undefined for each that is not.
   */
  async signedBlocks(position: number, count: number): Promise<(Uint8Array | undefined)[]> {
    const { db } = this.#storage
    const kept = await checkpointFrom(db, (position + count) * SPAN)
    const signed = kept && (await openCheckpoint(sha256, this.#isSignature, kept.note, this.#key))
    const roots: (Uint8Array | undefined)[] = []
    for (let block = position; block < position + count; block++) {
      const start = block * SPAN
      if (!signed || signed.size < start + SPAN) {
        roots.push(undefined)
        continue
      }
      // The path of its first leaf, from the block on: a block is a leaf of the tree of blocks.
      const path = inclusionRanges(start, signed.size).slice(Math.log2(SPAN))
      const [root] = await this.#proofs.hashes([{ start, end: start + SPAN }])
      const tree = { size: Math.ceil(signed.size / SPAN), root: signed.root }
      const isIn = root && verifyHash(sha256, root, block, tree, await this.#proofs.hashes(path))
      roots.push(isIn ? root : undefined)
    }
    return roots
  }

  /** Prepares for proofs and searches what has come since the last time. */
  async prepare(): Promise<void> {
    await this.#proofs.grow()
    await growSpans(this.#storage)
  }

  readonly #isSignature = (_publicKey: Uint8Array, signature: Uint8Array, message: Uint8Array): boolean =>
    verify(null, message, this.#signingKey, signature)

  #sign(tree: MerkleTree): string {
    const checkpoint = { origin: this.#key.name, size: tree.size, root: tree.root() }
    const signature = sign(null, Buffer.from(checkpointBody(checkpoint)), this.#signingKey)
    return signedCheckpoint(sha256, checkpoint, this.#key, signature)
  }

  /**
   * The whole log in the format of contract/audit-export.ts, piece by piece, up to the head of this moment. What the
   * database holds beyond its head goes out too: the head was set back then, and the verifier has to see it.
   */
  async *export(): AsyncGenerator<string> {
    const { db } = this.#storage
    // Read before the head, which only grows: nothing of these can lie beyond it.
    const kept = await listCheckpoints(db)
    const recorded = await countRecords(db)
    let begin = await readBegin(db)
    let tree = await readHead(db)
    let end = Math.max(tree.size, recorded, kept.at(-1)?.size ?? 0)
    yield exportHeader(this.verifierKey)
    for (let start = 0; start < end; start += EXPORT_PAGE) {
      const isLast = start + EXPORT_PAGE >= end
      yield exportLeaves(await readLeaves(db, start, Math.min(start + EXPORT_PAGE, end)), kept)
      const beginNow = isLast ? await readBegin(db) : begin
      if (beginNow === begin) continue
      // What was removed meanwhile is good only with the record that says so: the export goes on up to it.
      begin = beginNow
      tree = await readHead(db)
      start = end - EXPORT_PAGE
      end = Math.max(end, tree.size)
    }
    const head = this.#sign(tree)
    for (const { size, note } of kept) if (note !== head) yield exportCheckpoint(size, note)
    yield exportCheckpoint(tree.size, head)
  }

  /** Verifies the whole log as anybody can from outside: each record, their order, and every checkpoint. */
  verify(): Promise<AuditVerification> {
    return verifyAuditExport(linesOf(this.export()), {
      sha256,
      verifySignature: this.#isSignature,
      verifierKey: this.verifierKey,
    })
  }

  /** Waits for what is being written and lets go of the writer. */
  async close(): Promise<void> {
    clearTimeout(this.#retry)
    await this.#writer.close()
  }
}

/** Lines of leaves, with the checkpoints among them. @param kept loses those that were written. */
function exportLeaves(leaves: readonly Leaf[], kept: { size: number; note: string }[]): string {
  let text = ''
  let removed: Leaf[] = []
  const endRemoved = () => {
    if (removed[0])
      text += exportRemoved(
        removed[0].leaf_index,
        removed.map((leaf) => leaf.leaf_hash),
      )
    removed = []
  }
  for (const leaf of leaves) {
    // What is missing must not be closed up.
    if (removed[0] && removed[0].leaf_index + removed.length !== leaf.leaf_index) endRemoved()
    for (; kept[0] && kept[0].size <= leaf.leaf_index; kept.shift()) {
      endRemoved()
      text += exportCheckpoint(kept[0].size, kept[0].note)
    }
    if (leaf.record === null) {
      removed.push(leaf)
      continue
    }
    endRemoved()
    text += exportRecord(leaf.leaf_hash, leaf.record)
  }
  endRemoved()
  return text
}

function removed(index: number, at: number): AppError {
  const day = new Date(at).toISOString().slice(0, 10)
  return new AppError('audit.record_removed', {
    detail: `Record ${index} was removed on ${day}, as it was older than records are kept; an export from before has it.`,
  })
}

async function* linesOf(pages: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const page of pages) yield* page.split('\n').slice(0, -1)
}

/** What the health check says. A database server's own words may name hosts and users; SQLite's are about the disk. */
function shownProblem(error: unknown, cause: unknown): string {
  if (error instanceof AppError && error.code === 'storage.full') return 'storage.full: the disk is full'
  if (error instanceof AppError && error.code === 'storage.unavailable')
    return 'storage.unavailable: the database does not answer'
  return cause instanceof Error ? cause.message : 'unknown'
}
