import type { ControlMessage } from '@keyhold/contract/api/workspace-agents'
import type { CallAnswer, Keyhold } from '@keyhold/sdk'
import type { AgentState } from './agent-state.ts'
import type { Visitor } from './visitor-sessions.ts'

/** Something that the agent does for its workspace. */
export interface AgentPart {
  /** There may be something new to fetch: after each connect, and whenever the server says so. Told again when it throws. */
  changed(keyhold: Keyhold): Promise<void>
  /** Every minute: what is due by the clock. */
  tick?(keyhold: Keyhold): Promise<void>
  /** What the workspace got when it started, before anything else is told. */
  begin?(fromStores: CallAnswer<'agent.start'>['secrets']): void
  /** Version of the delivery that it has in effect, which each connection tells. */
  appliedVersion?(): string | undefined
  /** It is stopped. What it tells the server is waited for, but not for long. */
  stopped?(keyhold: Keyhold): Promise<void>
  /** Takes what it calls when there is something to fetch that the server does not tell of. */
  whenWanted?(fetch: () => void): void
  /** The credential of the agent, and each next one before it is on disk. */
  credential?(token: string): Promise<void>
  /** Takes what gives the client as it is by then: its credential is renewed. */
  reach?(client: () => Keyhold): void
  /** Somebody comes in. */
  open?(at: AgentState, opening: Extract<ControlMessage, { type: 'open' }>): void
  /** Variables for a session by SSH. One that the session has of its own stays; those of secrets go before. */
  sessionVariables?(
    visitor: Visitor,
  ): Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>
}
