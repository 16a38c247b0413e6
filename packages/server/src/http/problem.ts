import { type ErrorCode, errors, type Problem } from '@keyhold/contract/errors'
import { AppError, type PublicDetail } from '../base/app-error.ts'

/** What Fastify's own errors mean here. */
const fastifyCodes: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'request.unsupported_type',
  FST_ERR_CTP_BODY_TOO_LARGE: 'request.too_large',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'request.invalid',
  FST_ERR_BAD_URL: 'request.invalid',
  FST_ERR_MAX_PARAM_LENGTH: 'route.not_found',
  FST_ERR_VALIDATION: 'request.invalid',
}

/** The code of any error. What is not one of ours is `server.error`, and its text stays in the log. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error
  if (!(error instanceof Error)) return new AppError('server.error', {}, error)
  const code = 'code' in error ? fastifyCodes[String(error.code)] : undefined
  // A body whose sender went away half-way: Fastify gives the stream's error the status 400.
  const isBrokenBody = 'statusCode' in error && error.statusCode === 400
  return new AppError(code ?? (isBrokenBody ? 'request.invalid' : 'server.error'), {}, error)
}

/** The body that is sent for an error: RFC 9457. Nothing of the request is in it but the trace id. */
export function toProblem(error: AppError, traceId: string, publicUrl: string): Problem {
  const { status, title } = errors[error.code]
  const { retryAfterSeconds: _header, ...shown }: PublicDetail = error.shown
  return { type: `${publicUrl}/errors/${error.code}`, title, status, ...shown, traceId, code: error.code }
}
