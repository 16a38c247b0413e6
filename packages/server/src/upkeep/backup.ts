import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { compose, Readable } from 'node:stream'
import { createZstdCompress, createZstdDecompress } from 'node:zlib'
import { createScratch } from '../storage/scratch.ts'
import { type Cell, openSnapshot } from '../storage/snapshot.ts'
import type { StorageLocation } from '../storage/storage.ts'
import {
  BackupFileError,
  type BackupHeader,
  decryptBackup,
  encryptBackup,
  readBackupHeader,
} from '../vault/backup-cipher.ts'
import type { RootKey } from '../vault/root-key.ts'

/*
 * What is in a backup, below its encryption (vault/backup-cipher.ts): zstd, and in that UTF-8 text, JSON a line, the same
 * for both databases:
 *
 *   {"backup": 1, "migration": "0014-root-keys"}           version of this form, newest migration of the database
 *   {"table": "secrets", "columns": ["id", …]}             what follows are its rows
 *   ["sec_…", 3, null, {"b": "base64"}]                    a row: text, number, null, bytes
 *   {"end": {"secrets": 1}}                                how many rows each table had
 *
 * Values in it are sealed as they are in the database. Both layers stream: nothing of it is in memory as a whole.
 */

const VERSION = 1
/** Rows that are inserted together. */
const ROWS = 1_000

/**
 * What is not worth keeping, or must not come back: browser sessions, keys of machines that end within the hour,
 * invitations, enrollments, sign-ins and connections that were begun, which uses were reported before, what agents
 * said is in effect, who is in by SSH, and who runs which job.
 */
export const leftOut: ReadonlySet<string> = new Set([
  'device_logins',
  'invitations',
  'jobs',
  'reported_uses',
  'repository_authorizations',
  'servers',
  'sessions',
  'sign_in_attempts',
  'ssh_sessions',
  'workload_credentials',
  'workspace_applied',
  'workspace_enrollments',
])

/** Rows by table. */
export type Counts = Readonly<Record<string, number>>

/** Is told of progress. */
export type Progress = (rows: number) => void

/** Writes a backup: yields the file. @returns what is in it. */
export async function* writeBackup(
  location: StorageLocation,
  rootKey: RootKey,
  about: Omit<BackupHeader, 'salt' | 'rootFingerprint'>,
  progress: Progress,
): AsyncGenerator<Uint8Array> {
  const lines = Readable.from(snapshotLines(location, progress), { objectMode: false })
  // `as`: a pipeline of bytes yields bytes.
  yield* encryptBackup(rootKey, about, compose(lines, createZstdCompress()) as AsyncIterable<Uint8Array>)
}

async function* snapshotLines(location: StorageLocation, progress: Progress): AsyncGenerator<string> {
  const snapshot = await openSnapshot(location)
  try {
    yield `${JSON.stringify({ backup: VERSION, migration: snapshot.migration })}\n`
    const counts: Record<string, number> = {}
    let total = 0
    for (const { name, columns } of snapshot.tables) {
      if (leftOut.has(name)) continue
      counts[name] = 0
      yield `${JSON.stringify({ table: name, columns })}\n`
      for await (const page of snapshot.rows(name)) {
        counts[name] += page.length
        total += page.length
        progress(total)
        yield page.map((row) => `${JSON.stringify(row.map(toJson))}\n`).join('')
      }
    }
    yield `${JSON.stringify({ end: counts })}\n`
  } finally {
    await snapshot.close()
  }
}

type Line =
  | { readonly backup: number; readonly migration: string; readonly table?: undefined }
  | { readonly backup?: undefined; readonly table: string; readonly columns: readonly string[] }
  | { readonly backup?: undefined; readonly table?: undefined; readonly end: Counts }
  | unknown[]

const toJson = (cell: Cell) =>
  cell instanceof Uint8Array ? { b: Buffer.from(cell).toString('base64') } : cell

/** Reads who made a backup file, when, and which root key opens it. @throws BackupFileError */
export async function readBackupFile(path: string): Promise<{ line: string; header: BackupHeader }> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4_096), 0, 4_096, 0)
    return readBackupHeader(buffer.subarray(0, bytesRead))
  } finally {
    await file.close()
  }
}

/**
 * Restores a backup file into `keyhold.db` in an empty directory, with the schema that it had. Anything that is wrong with
 * the file is found here: then the directory is worth nothing.
 * @returns how many rows there are by table. @throws BackupFileError
 */
export async function loadBackup(
  path: string,
  rootKey: RootKey,
  directory: string,
  progress: Progress,
): Promise<Counts> {
  const { line, header } = await readBackupFile(path)
  if (header.rootFingerprint !== rootKey.fingerprint) {
    throw new BackupFileError(
      `this backup needs the root key with fingerprint ${header.rootFingerprint}, but was given ${rootKey.fingerprint}`,
    )
  }
  const sealed = createReadStream(path, { start: Buffer.byteLength(line, 'latin1') })
  const plaintext = Readable.from(decryptBackup(rootKey, line, sealed), { objectMode: false })
  return loadLines(
    textLines(compose(plaintext, createZstdDecompress()) as AsyncIterable<Uint8Array>),
    directory,
    progress,
  ) // `as`: bytes.
}

async function loadLines(
  lines: AsyncIterable<string>,
  directory: string,
  progress: Progress,
): Promise<Counts> {
  let scratch: Awaited<ReturnType<typeof createScratch>> | undefined
  let table: { name: string; columns: readonly string[] } | undefined
  let rows: Cell[][] = []
  let total = 0
  let counts: Counts | undefined
  const flush = () => {
    if (table && rows.length > 0) scratch?.insert(table.name, table.columns, rows)
    total += rows.length
    progress(total)
    rows = []
  }
  try {
    for await (const text of lines) {
      const line = JSON.parse(text) as Line // `as`: what was encrypted is what snapshotLines wrote.
      if (Array.isArray(line)) {
        rows.push(line.map(fromJson))
        if (rows.length >= ROWS) flush()
        continue
      }
      flush()
      if (line.backup !== undefined) {
        if (line.backup !== VERSION)
          throw new BackupFileError('the backup has a form that this release does not know: update it first')
        scratch = await createScratch(directory, line.migration)
      } else if (line.table !== undefined) table = { name: line.table, columns: line.columns }
      else counts = line.end
    }
    if (!scratch || !counts)
      throw new BackupFileError('the backup was changed or cut off: its end is missing')
    for (const [name, count] of Object.entries(counts)) {
      if (scratch.count(name) !== count)
        throw new BackupFileError(`the backup has ${count} rows of ${name}, but not all came back`)
    }
    scratch.commit()
    return counts
  } finally {
    scratch?.close()
  }
}

const fromJson = (cell: unknown): Cell =>
  typeof cell === 'object' && cell !== null
    ? Buffer.from((cell as { b: string }).b, 'base64') // `as`: the only kind of object.
    : (cell as Cell) // `as`: text, number or null.

/** Lines of UTF-8. */
async function* textLines(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  let rest = ''
  for await (const piece of bytes) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split('\n')
    rest = lines.pop()! // `!`: split gives at least one.
    yield* lines
  }
  if (rest !== '') throw new BackupFileError('the backup was changed or cut off: its end is missing')
}
