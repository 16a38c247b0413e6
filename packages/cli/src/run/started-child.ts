import type { Pump } from './output.ts'
import type { SignalPlan } from './signals.ts'

export type Ending = { readonly exitCode: number } | { readonly signalNumber: number }

export interface ChildStart {
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

export interface StartedChild {
  readonly ended: Promise<Ending>
  readonly pumps: readonly Pump[]
  readonly signals: SignalPlan
  /**
   * Gives the terminal back. Called once, when the child has ended and its output is written.
   * @param isOver nothing follows that would use it.
   */
  restore(isOver: boolean): void
}
