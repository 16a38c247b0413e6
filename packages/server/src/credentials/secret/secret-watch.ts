import { Readable } from 'node:stream'

/** What an EventSource waits before it connects again (HTML standard, 9.2.6), in ms. */
const RETRY_FIELD = 'retry: 3000\n'
/** A comment, which a reader skips (HTML standard, 9.2.5). */
const HEARTBEAT = ':\n\n'

/** Whose stream it is, and what it tells. */
export interface WatchSubject {
  readonly projectId: string
  readonly environmentKey: string
  /** The access key, workload identity or account, whose streams are counted together. */
  readonly callerId: string
  /** Whether it is an account, which may have values of its own. */
  readonly isPerson: boolean
  /** When what the caller signed in with ends by itself. */
  readonly expiresAt: Date | null | undefined
  readonly isStillAdmitted: () => Promise<boolean>
}

/**
 * One open stream of server-sent events. At most one event waits in it, however slowly it is read: a newer version takes
 * the place of one that nobody has taken yet.
 */
export class SecretWatch {
  readonly subject: WatchSubject
  readonly events: Readable
  /** What was told last, or will be next. */
  #version: string | undefined
  #pending: string | undefined
  #hasRoom = false
  #isFirst = true
  #isOver = false

  constructor(subject: WatchSubject) {
    this.subject = subject
    this.events = new Readable({
      highWaterMark: 1,
      read: () => {
        this.#hasRoom = true
        this.#flush()
      },
    })
    this.events.once('close', () => {
      this.#isOver = true
    })
    // An error here is that of a connection which has gone.
    this.events.on('error', () => {})
  }

  get isOver(): boolean {
    return this.#isOver
  }

  get isBegun(): boolean {
    return this.#version !== undefined
  }

  /** Tells a version, unless it was told last. */
  tell(version: string): void {
    if (this.#isOver || version === this.#version) return
    this.#version = version
    this.#pending = version
    this.#flush()
  }

  /** Keeps the connection from being taken for dead. Whoever does not read gets none, and is cut off by the server. */
  beat(): void {
    if (!this.#isOver && this.#hasRoom) this.#push(HEARTBEAT)
  }

  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.events.push(null)
  }

  /** Ends it after what was told, also where that still waits. One that has told nothing yet goes on. */
  finish(): void {
    if (!this.isBegun) return
    this.#hasRoom = true
    this.#flush()
    this.end()
  }

  #flush(): void {
    if (this.#pending === undefined || !this.#hasRoom || this.#isOver) return
    const version = this.#pending
    this.#pending = undefined
    const first = this.#isFirst ? RETRY_FIELD : ''
    this.#isFirst = false
    this.#push(`${first}id: ${version}\nevent: version\ndata: ${version}\n\n`)
  }

  #push(text: string): void {
    // Before: pushing may ask for more at once.
    this.#hasRoom = false
    this.events.push(text)
  }
}
