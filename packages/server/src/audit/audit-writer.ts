import { Worker } from 'node:worker_threads'
import { AppError } from '../base/app-error.ts'
import type { Storage } from '../storage/storage.ts'
import { appendRecords } from './audit.store.ts'
import type { PendingRecord } from './leaf.ts'

/** Writes records and resolves when they are on disk. */
export interface AuditWriter {
  write(records: readonly PendingRecord[]): Promise<void>
  close(): Promise<void>
}

/** Answer of the thread to one batch. */
export type WriterAnswer =
  | { readonly ok: true }
  | { readonly ok: false; readonly code: string; readonly message: string }

/**
 * On SQLite a thread of its own writes the records, since a commit waits for the disk and would stop all requests
 * meanwhile. On PostgreSQL the waiting is done by the database server.
 */
export function openAuditWriter(storage: Storage): AuditWriter {
  if (storage.sqlitePath === undefined) {
    return {
      write: (records) => storage.transaction((tx) => appendRecords(tx, records)),
      close: async () => {},
    }
  }
  return new ThreadWriter(storage.sqlitePath)
}

interface Pending {
  /** The thread that has the batch: what another thread says does not concern it. */
  readonly worker: Worker
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

class ThreadWriter implements AuditWriter {
  readonly #path: string
  #worker: Worker | undefined
  #pending: Pending | undefined

  constructor(path: string) {
    this.#path = path
    this.#worker = this.#start()
  }

  #start(): Worker {
    // The bundle and the sources name the file alike but for its ending.
    const file = new URL(
      `./audit-writer-thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`,
      import.meta.url,
    )
    const worker = new Worker(file, {
      workerData: { path: this.#path },
      // Batches are short-lived; a larger nursery would only sit in memory.
      resourceLimits: { maxYoungGenerationSizeMb: 4 },
    })
    worker.on('message', (answer: WriterAnswer) => {
      const pending = this.#take(worker)
      if (answer.ok) pending?.resolve()
      else
        pending?.reject(new AppError('audit.unavailable', {}, new Error(`${answer.code}: ${answer.message}`)))
    })
    const fail = (error: Error) => {
      if (this.#worker === worker) this.#worker = undefined
      this.#take(worker)?.reject(new AppError('audit.unavailable', {}, error))
    }
    worker.on('error', fail)
    worker.on('exit', () => fail(new Error('the audit writer ended')))
    return worker
  }

  /** The batch that `worker` has, which ends with this. A thread that failed still tells its end, when the next has work. */
  #take(worker: Worker): Pending | undefined {
    if (this.#pending?.worker !== worker) return undefined
    const pending = this.#pending
    this.#pending = undefined
    return pending
  }

  /** One batch at a time: the caller collects the next one meanwhile. */
  write(records: readonly PendingRecord[]): Promise<void> {
    return new Promise((resolve, reject) => {
      // A thread that died is replaced by the next batch, so that recovery needs no restart.
      this.#worker ??= this.#start()
      this.#pending = { worker: this.#worker, resolve, reject }
      this.#worker.postMessage(records)
    })
  }

  async close(): Promise<void> {
    const worker = this.#worker
    if (!worker) return
    const ended = new Promise((resolve) => worker.once('exit', resolve))
    worker.postMessage('close')
    await ended
  }
}
