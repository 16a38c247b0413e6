import { ExitCode } from './exit-codes.ts'

/**
 * The reason why a command cannot go on, written for the person at the terminal: lower case, no full stop. Hints say the
 * next step. Neither may hold a value.
 */
export class Failure extends Error {
  readonly exitCode: number
  readonly hints: readonly string[]

  constructor(message: string, options: { exitCode?: number; hints?: readonly string[] } = {}) {
    super(message)
    this.name = 'Failure'
    this.exitCode = options.exitCode ?? ExitCode.Failed
    this.hints = options.hints ?? []
  }
}

export function usageFailure(message: string, ...hints: string[]): Failure {
  return new Failure(message, { exitCode: ExitCode.Usage, hints })
}
