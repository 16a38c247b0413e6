// A command that is started again when what it was given has changed. The server says that something changed; whether the
// command has to know is settled by fetching and comparing.
import { setTimeout as sleep } from 'node:timers/promises'
import { Failure } from '../failure.ts'
import { followChanges } from './change-stream.ts'
import type { DeliveredSecret, Delivery } from './delivery.ts'
import { childEnvironment } from './environment.ts'
import type { KeptCopy } from './offline.ts'
import { Replacement } from './replacement.ts'
import { Run, type RunRequest } from './run.ts'
import type { WatchSource } from './watch-source.ts'

/** Changes that come together are one: after the last of them, and from the first of them at the most. */
const SETTLE_MS = 300
const SETTLE_MAX_MS = 2_000
/** How long the start waits for the first event, so that what is delivered after it needs no second look. */
const FIRST_EVENT_MS = 2_000
const RETRY_MIN_MS = 1_000
const RETRY_MAX_MS = 60_000

export interface WatchRequest {
  readonly run: RunRequest
  readonly source: WatchSource
  /** What the first child gets; may be a copy, which may be older than what the server says before it. @throws Failure */
  readonly first: () => Promise<Delivery>
  /** The copy that is kept of each delivery, where one is wanted. */
  readonly copy: KeptCopy | undefined
  /** How long the command may take to end. */
  readonly graceMs: number
}

/** Runs the command until it ends by itself. @returns the code to exit with. @throws Failure as without a watch */
export async function runWatched(request: WatchRequest): Promise<number> {
  const end = new AbortController()
  const watched = new Watched(request, end.signal)
  try {
    return await watched.run()
  } finally {
    end.abort()
  }
}

class Watched {
  readonly #request: WatchRequest
  readonly #end: AbortSignal
  /** Versions of what is delivered: what the server told last, and what the command has. */
  #told: string | undefined
  #has: string | undefined
  #wake = Promise.withResolvers<void>()
  #isTroubled = false
  #given: Delivery | undefined

  constructor(request: WatchRequest, end: AbortSignal) {
    this.#request = request
    this.#end = end
  }

  async run(): Promise<number> {
    const { source, first, copy, graceMs } = this.#request
    void followChanges({
      connect: () => source.connect(),
      environment: source.environment,
      signal: this.#end,
      onVersion: (version) => {
        this.#told = version
        this.#isTroubled = false
        this.#awake()
      },
      onTrouble: (failure, isNews) => {
        if (isNews && failure.kind === 'refused') copy?.delete()
        if (this.#given && isNews) this.#tell(failure)
        this.#awake()
      },
    })
    await Promise.race([this.#wake.promise, sleep(FIRST_EVENT_MS, undefined, { ref: false })])
    const told = this.#told
    this.#given = await first()
    this.#has = copy ? undefined : told
    let replacement: Replacement | undefined
    // Interrupts are the command's own matter, unless it is being replaced.
    const onSignal = (signal: NodeJS.Signals) => {
      if (replacement?.isWanted || signal === 'SIGTERM' || signal === 'SIGHUP') replacement?.cancel()
    }
    const signals = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT'] as const
    for (const signal of signals) process.on(signal, onSignal)
    try {
      for (;;) {
        const current = new Replacement(graceMs)
        replacement = current
        const ended = new AbortController()
        const next = this.#nextDelivery(ended.signal).then((delivery) => {
          if (delivery) current.begin()
          return delivery
        })
        const { secrets, referenced }: Delivery = this.#given
        const code = await new Run(this.#request.run).untilReplaced(secrets, referenced, current)
        ended.abort()
        this.#awake()
        if (code !== undefined) return code
        this.#given = (await next) ?? this.#given
      }
    } finally {
      for (const signal of signals) process.off(signal, onSignal)
    }
  }

  /** Waits until the server delivers something else than the command has. @returns undefined when the command has ended. */
  async #nextDelivery(ended: AbortSignal): Promise<Delivery | undefined> {
    const { source, copy, run } = this.#request
    let retryMs = RETRY_MIN_MS
    for (;;) {
      while (!ended.aborted && (this.#told === undefined || this.#told === this.#has))
        await this.#wake.promise
      const version = await this.#settled(ended)
      if (ended.aborted) return undefined
      try {
        const delivery = await source.fetch(copy?.remark)
        copy?.keep(delivery)
        if (ended.aborted) return undefined
        this.#has = version
        retryMs = RETRY_MIN_MS
        const names = changedNames(this.#given?.secrets ?? [], delivery.secrets)
        if (names.length === 0) continue
        assertUsable(run, delivery.secrets)
        for (const { name, explanation } of delivery.unresolved)
          run.note(`${name} is left out: a reference has no value: ${explanation}`)
        run.note(`restarting the command, changed: ${names.join(', ')}`)
        return delivery
      } catch (error) {
        if (!(error instanceof Failure)) throw error
        if (error.kind === 'refused') copy?.delete()
        if (ended.aborted) return undefined
        this.#tell(error)
        // What cannot be used is waited for to change; what could not be fetched is fetched again.
        if (this.#has !== version)
          await sleep(retryMs, undefined, { signal: ended, ref: false }).catch(() => {})
        retryMs = Math.min(retryMs * 2, RETRY_MAX_MS)
      }
    }
  }

  /** Waits until no change follows the last. @returns the version by then */
  async #settled(ended: AbortSignal): Promise<string | undefined> {
    const startedAt = performance.now()
    let version: string | undefined
    do {
      version = this.#told
      await sleep(SETTLE_MS, undefined, { signal: ended, ref: false }).catch(() => {})
    } while (version !== this.#told && performance.now() - startedAt < SETTLE_MAX_MS && !ended.aborted)
    return version
  }

  /** Says once what is wrong, until the server has been heard again. */
  #tell({ message }: Failure): void {
    if (this.#isTroubled) return
    this.#isTroubled = true
    this.#request.run.note(`changes are not seen now, the command goes on as it is: ${message}`)
  }

  #awake(): void {
    this.#wake.resolve()
    this.#wake = Promise.withResolvers()
  }
}

/** Names of secrets that only one of two deliveries has, or that are not the same in both. */
function changedNames(before: readonly DeliveredSecret[], after: readonly DeliveredSecret[]): string[] {
  const old = new Map(before.map((secret) => [secret.name, secret]))
  const names: string[] = []
  for (const { name, type, value } of after) {
    const was = old.get(name)
    old.delete(name)
    if (!was || was.type !== type || Buffer.compare(was.value, value) !== 0) names.push(name)
  }
  return [...names, ...old.keys()].sort()
}

/** @throws Failure when the command could not be started with these; it is not ended for nothing then. */
function assertUsable({ env, allowedNames }: RunRequest, secrets: readonly DeliveredSecret[]): void {
  childEnvironment(env, secrets, allowedNames, () => ({ write: () => '' }))
}
