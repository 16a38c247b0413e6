import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { errors } from '@keyhold/contract/errors'
import type { AppError } from '../base/app-error.ts'
import { toProblem } from './problem.ts'

/** Of every answer. */
export const securityHeaders = {
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
}

/** Of every answer that travels encrypted. */
export const httpsOnly = { 'strict-transport-security': 'max-age=31536000; includeSubDomains' }

/** Answers an error on a connection that no framework looks after, and ends it. @returns the status. */
export function endWithProblem(
  socket: Duplex,
  error: AppError,
  traceId: string,
  options: { readonly publicUrl: string; readonly tls?: unknown },
): number {
  const { status } = errors[error.code]
  const body = JSON.stringify(toProblem(error, traceId, options.publicUrl))
  const headers = {
    ...securityHeaders,
    ...(options.tls !== undefined && httpsOnly),
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(body),
    ...(error.shown.retryAfterSeconds !== undefined && { 'retry-after': error.shown.retryAfterSeconds }),
    connection: 'close',
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`)
  return status
}
