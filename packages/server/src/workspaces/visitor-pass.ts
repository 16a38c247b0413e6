import type { WorkspaceLevel } from '@keyhold/contract/api/workspaces'
import type { SealedMessages } from '../vault/sealed-messages.ts'

/** Who is in a workspace by SSH, as the gateway let them in. */
export interface Admitted {
  readonly workspaceId: string
  /** Of the agent that was asked to open. */
  readonly epoch: number
  readonly accountId: string
  readonly level: WorkspaceLevel
  /** Of the key that was proven. */
  readonly fingerprint: string
  readonly address: string
  /** Of the tunnel: as long as that is open, the pass is taken. */
  readonly sessionId: string
  /** Of the record that says that they came in. */
  readonly traceId: string
}

/** A connection may be older than this; then whoever is in it comes in anew. */
const PASS_MS = 7 * 86_400_000
const CONTEXT = ['keyhold/v1/visitor-pass']

/**
 * Passes with which an agent says whose session it is that begins. Sealed and not kept, so that any server can tell. A pass
 * proves that somebody came in; whether they are still there, and may be, is asked anew.
 */
export class VisitorPasses {
  readonly #messages: SealedMessages

  constructor(messages: SealedMessages) {
    this.#messages = messages
  }

  issue(admitted: Admitted, now: Date): string {
    return this.#messages.seal(CONTEXT, JSON.stringify({ ...admitted, at: now.getTime() }))
  }

  /** @returns undefined when the pass is not one of ours, or too old. */
  read(pass: string, now: Date): Admitted | undefined {
    const text = this.#messages.open(CONTEXT, pass)
    if (text === undefined) return undefined
    const { at, ...admitted } = JSON.parse(text) // Sealed here, from an Admitted.
    return now.getTime() - at > PASS_MS ? undefined : admitted
  }
}
