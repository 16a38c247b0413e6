import { constants } from 'node:os'

const FORWARDED = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const
// Never forwarded: SIGCHLD and SIGURG mean this process, SIGPIPE its own output. SIGKILL and SIGSTOP cannot be caught.

export type ForwardedSignal = (typeof FORWARDED)[number]

/** What happens to signals that reach this process while the child runs. */
export interface SignalPlan {
  forward(signal: ForwardedSignal): void
  /** Ends the child at once, whatever it does about signals. */
  kill(): void
  /** The window has a new size. */
  resize(): void
  suspend(): void
  resume(): void
}

/**
 * Catches signals from now on; those that arrive before there is a plan are kept for it. Caught from before the first file
 * is written, so that none of them ends this process without tidying up.
 */
export class SignalCatcher {
  #plan: SignalPlan | undefined
  #waiting: ForwardedSignal[] = []
  readonly #listeners = new Map<NodeJS.Signals, () => void>()

  constructor() {
    for (const signal of FORWARDED) {
      this.#listen(signal, () => (this.#plan ? this.#plan.forward(signal) : this.#waiting.push(signal)))
    }
    // Afterwards, because Node's streams ask for the new size in a listener of theirs.
    this.#listen('SIGWINCH', () => setImmediate(() => this.#plan?.resize()))
    this.#listen('SIGTSTP', () => this.#plan?.suspend())
    this.#listen('SIGCONT', () => this.#plan?.resume())
  }

  follow(plan: SignalPlan): void {
    this.#plan = plan
    for (const signal of this.#waiting.splice(0)) plan.forward(signal)
  }

  stop(): void {
    for (const [signal, listener] of this.#listeners) process.off(signal, listener)
    this.#listeners.clear()
  }

  #listen(signal: NodeJS.Signals, listener: () => void): void {
    this.#listeners.set(signal, listener)
    process.on(signal, listener)
  }
}

/** Sends a signal; a process (or, below zero, a group) that has ended is no error. */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended meanwhile.
  }
}

export function signalNumber(signal: NodeJS.Signals): number {
  return constants.signals[signal]
}
