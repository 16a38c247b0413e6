import { ExitCode } from './exit-codes.ts'

/**
 * The reason why a command cannot go on, written for the person at the terminal: lower case, no full stop. Hints say the
 * next step. Neither may hold a value.
 */
export class Failure extends Error {
  readonly exitCode: number
  readonly hints: readonly string[]
  /** `unavailable`: Keyhold could not be reached, or cannot answer now; `refused`: it said no. */
  readonly kind: 'unavailable' | 'refused' | undefined

  constructor(
    message: string,
    options: {
      exitCode?: number
      hints?: readonly string[]
      kind?: 'unavailable' | 'refused' | undefined
    } = {},
  ) {
    super(message)
    this.name = 'Failure'
    this.exitCode = options.exitCode ?? ExitCode.Failed
    this.hints = options.hints ?? []
    this.kind = options.kind
  }
}

/** What an answer's status says of whether to ask again: 401, 403 and 404 are final. */
export function kindOf(status: number): Failure['kind'] {
  if (status === 401 || status === 403 || status === 404) return 'refused'
  return status === 429 || status >= 500 ? 'unavailable' : undefined
}

/** The code of a system error, such as `ENOENT`. Their messages have paths and arguments in them, and are not shown. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
}

export function usageFailure(message: string, ...hints: string[]): Failure {
  return new Failure(message, { exitCode: ExitCode.Usage, hints })
}
