import * as store from './destination.store.ts'
import { type Carrier, CarrierError, type Destination, type Parcel, parseTarget } from './destination.ts'
import { type AuditDestinations, type DestinationParts, webhookKey } from './destinations.service.ts'

/** How often it is looked for something to send. */
const TICK_MS = 5_000
/** A server that dies while it sends keeps the destination from the others for so long. Longer than any one parcel takes. */
const LEASE_MS = 60_000
/** After that a destination gives way, and goes on at the next tick. */
const TURN_MS = 20_000
const RECORDS_PER_PARCEL = 500
/** After a failure: this, doubled with each further one up to the maximum. */
const RETRY_MS = 5_000
const RETRY_MAX_MS = 5 * 60_000
/** How long a server that stops waits for parcels that are on their way. */
const STOP_MS = 3_000

export interface SenderParts extends DestinationParts {
  /** Where files go. */
  readonly directory: string
  /** Name of this instance in syslog. */
  readonly hostname: string
}

/**
 * Sends the audit log where administrators want it: each on its own, so that one that hangs delays no other, and no
 * request. In the order of the log and at least once: how far a destination is stands in its row, and is moved after a
 * parcel was taken. One of all servers that share the database sends to it at a time.
 */
export class AuditSender {
  readonly #parts: SenderParts
  readonly #destinations: AuditDestinations
  readonly #running = new Map<string, Promise<void>>()
  #timer: NodeJS.Timeout | undefined
  #isStopping = false
  #health = { failing: 0, pending: 0, count: 0 }

  constructor(parts: SenderParts, destinations: AuditDestinations) {
    this.#parts = parts
    this.#destinations = destinations
  }

  /** As of the last look: destinations, those whose last attempt failed, and the most records one of them lacks. */
  get health(): { readonly count: number; readonly failing: number; readonly pending: number } {
    return this.#health
  }

  /** @param failed is told of errors of the server's own. */
  start(failed: (error: unknown) => void): void {
    this.#timer = setInterval(() => void this.tick().catch(failed), TICK_MS)
    this.#timer.unref()
  }

  /** Begins with all that is due. @returns what is sent now, each settled when its turn is over. */
  async tick(): Promise<Promise<void>[]> {
    if (this.#isStopping) return []
    const { storage, clock } = this.#parts
    const states = await this.#destinations.states()
    const due = new Set(states.length > 0 ? await store.listDue(storage.db, clock.now().getTime()) : [])
    for (const { destination } of states) {
      const { id } = destination
      if (!due.has(id) || this.#running.has(id)) continue
      // Where there is nothing to send, nothing is written either: an idle server leaves the disk alone.
      const goal = await this.#goalOf(destination)
      if ((goal?.size ?? 0) === destination.checkpointSize) continue
      const running = this.#turn(id).finally(() => this.#running.delete(id))
      this.#running.set(id, running)
      // The database's own failures; those of the destination stand in its row. The next tick tries again.
      running.catch(() => {})
    }
    this.#health = {
      count: states.length,
      failing: states.filter(({ destination }) => destination.failures > 0).length,
      pending: Math.max(0, ...states.map(({ pending }) => pending)),
    }
    return [...this.#running.values()]
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    clearInterval(this.#timer)
    let timer: NodeJS.Timeout | undefined
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, STOP_MS)
    })
    await Promise.race([Promise.allSettled(this.#running.values()), late])
    clearTimeout(timer)
  }

  async #turn(id: string): Promise<void> {
    const { storage, clock } = this.#parts
    const now = () => clock.now().getTime()
    let lease = now() + LEASE_MS
    const destination = await storage.transaction((tx) => store.claimDestination(tx, id, now(), lease))
    if (!destination) return
    /** Writes down what was taken, and holds on to the destination. @returns false when another server has it. */
    const note = (progress: Parameters<typeof store.noteProgress>[3]) => {
      const before = lease
      lease = now() + LEASE_MS
      return storage.transaction((tx) =>
        store.noteProgress(tx, id, before, { lease_until: lease, ...progress }),
      )
    }
    try {
      const carry = await this.#carrierFor(destination)
      const isSent = await this.#send(destination, carry, note)
      await note({
        lease_until: 0,
        failures: 0,
        last_failure: null,
        ...(isSent && { last_success_at: now() }),
      })
    } catch (error) {
      if (!(error instanceof CarrierError)) {
        await note({ lease_until: 0, due_at: now() + RETRY_MS }).catch(() => {})
        throw error
      }
      const failures = destination.failures + 1
      const wait = Math.min(RETRY_MS * 2 ** Math.min(destination.failures, 16), RETRY_MAX_MS)
      await note({
        lease_until: 0,
        failures,
        last_failure: error.message,
        // Not all at the same moment when what they share is back.
        due_at: now() + wait + Math.floor((Math.random() * wait) / 4),
      })
    }
  }

  /** @returns whether there was anything to send. */
  async #send(
    destination: Destination,
    carry: Carrier,
    note: (progress: { position?: number; checkpoint_size?: number }) => Promise<boolean>,
  ): Promise<boolean> {
    const { audit } = this.#parts
    const checkpoint = await this.#goalOf(destination)
    if (!checkpoint) return false
    const { size } = checkpoint
    if (size < Math.max(destination.checkpointSize, destination.isSentRecords ? destination.position : 0))
      throw new CarrierError('the log is shorter than what was sent: it was cut, or rolled back')
    if (size === destination.checkpointSize) return false
    const until = performance.now() + TURN_MS
    // What is removed waits for destinations; one that is to get all records may have come later.
    const begin = await audit.begin()
    for (let { position } = destination; destination.isSentRecords && position < size; ) {
      if (this.#isStopping || performance.now() > until) return true
      const isRemoved = position < begin
      const end = Math.min(position + RECORDS_PER_PARCEL, isRemoved ? begin : size)
      await carry(await this.#parcel(position, end, isRemoved))
      position = end
      if (!(await note({ position }))) return true
    }
    await carry({ kind: 'checkpoint', size, note: checkpoint.note })
    await note({ checkpoint_size: size })
    return true
  }

  async #parcel(start: number, end: number, isRemoved: boolean): Promise<Parcel> {
    const { audit } = this.#parts
    const parcel: Parcel = isRemoved
      ? { kind: 'removed', start, hashes: await audit.readHashes(start, end) }
      : { kind: 'records', records: await audit.read(start, end) }
    const { length } = parcel.kind === 'removed' ? parcel.hashes : parcel.records
    if (length !== end - start) throw new CarrierError('records are missing: somebody changed the database')
    return parcel
  }

  /** Up to where is sent. With records, whatever there is now, so that they come soon; checkpoints alone as they are kept. */
  #goalOf({ isSentRecords }: Destination): Promise<{ size: number; note: string } | undefined> {
    const { audit } = this.#parts
    return isSentRecords ? audit.signedHead() : audit.latestCheckpoint()
  }

  /** Loaded when there is something to carry. */
  async #carrierFor({ id, target: text, ca }: Destination): Promise<Carrier> {
    const { audit, vault, outgoing, clock, directory, hostname } = this.#parts
    const { verifierKey } = audit
    const target = parseTarget(text)
    if (target.kind === 'file') {
      const { fileCarrier } = await import('./file-carrier.ts')
      return fileCarrier(directory, target.name, verifierKey)
    }
    if (target.kind === 'webhook') {
      const { webhookCarrier } = await import('./webhook-carrier.ts')
      return webhookCarrier({
        id,
        url: target.url,
        ca,
        key: webhookKey(vault, id),
        verifierKey,
        outgoing,
        clock,
      })
    }
    const { syslogCarrier } = await import('./syslog-carrier.ts')
    return syslogCarrier({ target, ca, verifierKey, hostname, outgoing })
  }
}
