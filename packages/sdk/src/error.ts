import type { ErrorCode, FieldError, Problem } from '@keyhold/contract/errors'

/**
 * What goes wrong before Keyhold could answer.
 *
 * - `configuration.invalid`: the client was set up wrongly; no request was made
 * - `network.unreachable`: no connection, a broken one, or only a gateway answered
 * - `network.deadline`: the whole call took longer than `deadlineMs`
 * - `network.aborted`: the caller's signal gave the call up
 * - `network.redirected`: the address answers with a redirect, which is never followed
 * - `integrity.answer`: something answered that is not what Keyhold's contract says
 * - `integrity.not_text`: the value holds bytes that are not UTF-8 text; read it with `getBytes`
 */
export type SdkErrorCode =
  | 'configuration.invalid'
  | 'network.unreachable'
  | 'network.deadline'
  | 'network.aborted'
  | 'network.redirected'
  | 'integrity.answer'
  | 'integrity.not_text'

/** A newer server may answer a code that this version does not know yet. */
export type KeyholdErrorCode = ErrorCode | SdkErrorCode | (string & Record<never, never>)

export interface KeyholdErrorFacts {
  readonly status?: number | undefined
  readonly traceId?: string | undefined
  readonly retryAfterSeconds?: number | undefined
  readonly errors?: readonly FieldError[] | undefined
}

/**
 * Everything the SDK throws. It never holds a value or a credential, and has no `cause`: the errors of fetch, URL and
 * JSON quote their input.
 */
export class KeyholdError extends Error {
  override readonly name: string = 'KeyholdError'
  readonly code: KeyholdErrorCode
  /** HTTP status, when something answered. */
  readonly status: number | undefined
  /** Names the request in the server's log. */
  readonly traceId: string | undefined
  /** When the server said when to come back. */
  readonly retryAfterSeconds: number | undefined
  /** The invalid fields of a `request.invalid`. */
  readonly errors: readonly FieldError[]

  constructor(code: KeyholdErrorCode, message: string, facts: KeyholdErrorFacts = {}) {
    super(message)
    this.code = code
    this.status = facts.status
    this.traceId = facts.traceId
    this.retryAfterSeconds = facts.retryAfterSeconds
    this.errors = facts.errors ?? []
  }
}

/** The secret is neither in the environment nor in All, or the caller may not know that it is. */
export class SecretNotFoundError extends KeyholdError {
  override readonly name = 'SecretNotFoundError'
  /** Why that may be, most likely first. */
  readonly reasons: readonly string[]
  /** Names that exist and look alike. */
  readonly nearMatches: readonly string[]

  constructor(
    secretName: string,
    facts: KeyholdErrorFacts & {
      readonly reasons?: readonly string[] | undefined
      readonly nearMatches?: readonly string[] | undefined
    },
  ) {
    super('secret.not_found', `${secretName} not found`, facts)
    this.reasons = facts.reasons ?? []
    this.nearMatches = facts.nearMatches ?? []
  }
}

/** What was read of an error answer; every field is checked, because a proxy may have written it. */
export interface ReadProblem {
  readonly code: string
  readonly title: string
  readonly detail: string | undefined
  readonly traceId: string | undefined
  readonly errors: readonly FieldError[]
  readonly reasons: readonly string[]
  readonly nearMatches: readonly string[]
}

/**
 * Reads `application/problem+json`; undefined when the body is not one of Keyhold's.
 *
 * @param confidential texts that were sent; a sentence that repeats one is left out.
 */
export function readProblem(body: unknown, confidential: readonly string[]): ReadProblem | undefined {
  if (typeof body !== 'object' || body === null) return undefined
  const problem = body as Partial<Record<keyof Problem, unknown>> // `as`: every field is looked at as unknown.
  const text = (value: unknown): string | undefined => {
    if (typeof value !== 'string' || value === '') return undefined
    if (confidential.some((one) => one.length >= CONFIDENTIAL_LENGTH_MIN && value.includes(one)))
      return undefined
    // Control characters would reach a terminal.
    return value.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ').slice(0, TEXT_LENGTH_MAX)
  }
  const texts = (value: unknown): string[] =>
    Array.isArray(value) ? value.slice(0, LIST_LENGTH_MAX).flatMap((item) => text(item) ?? []) : []
  if (typeof problem.code !== 'string' || !/^[a-z_]+\.[a-z_]+$/.test(problem.code)) return undefined
  const errors = Array.isArray(problem.errors) ? problem.errors.slice(0, LIST_LENGTH_MAX) : []
  return {
    code: problem.code,
    title: text(problem.title) ?? problem.code,
    detail: text(problem.detail),
    traceId: text(problem.traceId),
    errors: errors.flatMap((item: { field?: unknown; message?: unknown } | null) => {
      const field = text(item?.field)
      const message = text(item?.message)
      return field === undefined || message === undefined ? [] : [{ field, message }]
    }),
    reasons: texts(problem.reasons),
    nearMatches: texts(problem.nearMatches),
  }
}

/** Shorter texts occur in ordinary sentences. */
const CONFIDENTIAL_LENGTH_MIN = 4
const TEXT_LENGTH_MAX = 500
const LIST_LENGTH_MAX = 50
