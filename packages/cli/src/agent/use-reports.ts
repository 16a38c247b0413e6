import type { UseReport } from '@keyhold/contract/api/uses'
import { limits } from '@keyhold/contract/limits'
import { type Keyhold, KeyholdError } from '@keyhold/sdk'
import type { AgentPart } from './agent-part.ts'

/** How long a program waits to hear how much more of its run is recorded. */
const SENDING_MS = 10_000
/** Reports that wait for the server, as many as a day without it may bring; what is beyond is not recorded. */
const WAITING_MAX = 1_000

type Report = Pick<UseReport, 'run' | 'uses'> & { readonly pass?: string }

/**
 * What programs of the workspace tell of their secrets, until the server has it: the network may be away. The same report
 * twice is recorded once, by its run, so what may have arrived is sent again.
 */
export class UseReports implements AgentPart {
  readonly #waiting: Report[] = []
  #client: (() => Keyhold) | undefined
  #sending: Promise<void> | undefined

  reach(client: () => Keyhold): void {
    this.#client = client
  }

  /** @param pass of the session by SSH in which it was; none: it is told of as the workspace's. @returns how many more are recorded. */
  async report(
    { run, uses }: Pick<UseReport, 'run' | 'uses'>,
    pass?: string,
  ): Promise<{ remaining: number }> {
    const report = { run, uses, ...(pass !== undefined && { pass }) }
    const later = { remaining: limits.usesPerRun }
    const keep = () => {
      if (this.#waiting.length < WAITING_MAX) this.#waiting.push(report)
      return later
    }
    // In their order: the places of a run are counted.
    if (this.#waiting.length > 0 || this.#client === undefined) return keep()
    try {
      return await this.#client().call('agent.use', { body: report, signal: AbortSignal.timeout(SENDING_MS) })
    } catch (error) {
      if (isRefused(error)) throw error
      return keep()
    }
  }

  changed(keyhold: Keyhold): Promise<void> {
    return this.#send(keyhold)
  }

  tick(keyhold: Keyhold): Promise<void> {
    return this.#send(keyhold)
  }

  stopped(keyhold: Keyhold): Promise<void> {
    return this.#send(keyhold)
  }

  #send(keyhold: Keyhold): Promise<void> {
    this.#sending ??= this.#sendAll(keyhold).finally(() => {
      this.#sending = undefined
    })
    return this.#sending
  }

  async #sendAll(keyhold: Keyhold): Promise<void> {
    for (let report = this.#waiting[0]; report !== undefined; report = this.#waiting[0]) {
      try {
        await keyhold.call('agent.use', { body: report, signal: AbortSignal.timeout(SENDING_MS) })
      } catch (error) {
        if (!isRefused(error)) throw error
        // It would be refused again, and keep all others from being sent.
      }
      this.#waiting.shift()
    }
  }
}

/** Whether the server has understood and said no. 401: the credential may be renewed by then. */
const isRefused = (error: unknown) =>
  error instanceof KeyholdError &&
  error.status !== undefined &&
  error.status >= 400 &&
  error.status < 500 &&
  ![401, 408, 429].includes(error.status)
