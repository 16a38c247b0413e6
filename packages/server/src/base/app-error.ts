import { type ErrorCode, errors, type FieldError } from '@keyhold/contract/errors'

/** What of an error is sent to the caller besides the code's title. Must never hold a value that was sent in. */
export interface PublicDetail {
  readonly detail?: string
  readonly errors?: readonly FieldError[]
  readonly reasons?: readonly string[]
  readonly nearMatches?: readonly string[]
  readonly retryAfterSeconds?: number
}

/** An error with a code of the registry. Status and public text come from there, not from the throw. */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly shown: PublicDetail

  /** @param cause kept for the operator's log, never sent. */
  constructor(code: ErrorCode, shown: PublicDetail = {}, cause?: unknown) {
    super(`${code}: ${shown.detail ?? errors[code].title}`, cause === undefined ? undefined : { cause })
    this.name = 'AppError'
    this.code = code
    this.shown = shown
  }

  get status(): number {
    return errors[this.code].status
  }
}

/** A `request.invalid` naming one field. */
export function invalidField(field: string, message: string): AppError {
  return new AppError('request.invalid', { errors: [{ field, message }] })
}
