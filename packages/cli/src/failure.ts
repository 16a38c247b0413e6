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

/** The code of a system error, such as `ENOENT`. Their messages have paths and arguments in them, and are not shown. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
}

export function usageFailure(message: string, ...hints: string[]): Failure {
  return new Failure(message, { exitCode: ExitCode.Usage, hints })
}
