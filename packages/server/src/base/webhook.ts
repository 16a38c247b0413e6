import { createHash, createHmac } from 'node:crypto'
import { Secret } from '@keyhold/contract/secret'

/*
 * What is sent to an address that somebody chose, signed as Standard Webhooks 1.0.0 has it: HMAC-SHA-256 over
 * `<id>.<timestamp>.<body>` with the bytes behind `whsec_`.
 */

/** The secret as its owner sees it, once. */
export function shownSecret(key: Buffer): Secret<string> {
  return new Secret(`whsec_${key.toString('base64')}`)
}

/** An id that is the same whenever the same things are sent, so that a receiver can tell a repetition. */
export function messageId(webhookId: string, body: string): string {
  return `msg_${createHash('sha256').update(`${webhookId}\n${body}`).digest('hex').slice(0, 32)}`
}

export function signedHeaders(key: Buffer, id: string, now: Date, body: string): Record<string, string> {
  const timestamp = String(Math.floor(now.getTime() / 1000))
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` }
}
