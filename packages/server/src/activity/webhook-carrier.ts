import type { Clock } from '../base/clock.ts'
import { type Outgoing, OutgoingError } from '../base/outgoing.ts'
import { messageId, signedHeaders } from '../base/webhook.ts'
import { type Carrier, CarrierError } from './destination.ts'

const DEADLINE_MS = 10_000

export interface WebhookParts {
  readonly id: string
  readonly url: string
  readonly ca: string | null
  readonly key: Buffer
  readonly verifierKey: string
  readonly outgoing: Outgoing
  readonly clock: Clock
}

/** Posts JSON, signed as reminders are. Any 2xx means that it was taken. */
export function webhookCarrier(parts: WebhookParts): Carrier {
  const { id, url, ca, key, verifierKey, outgoing, clock } = parts
  return async (parcel) => {
    if (parcel.kind === 'removed') return
    const data =
      parcel.kind === 'checkpoint'
        ? { verifierKey, size: parcel.size, checkpoint: parcel.note }
        : { verifierKey, records: parcel.records.map(({ json }) => JSON.parse(json) as unknown) }
    const message = { type: `audit.${parcel.kind}`, data }
    // The id is that of the content: without the time, a repetition has the same.
    const msgId = messageId(id, JSON.stringify(message))
    const now = clock.now()
    const json = { type: message.type, timestamp: now.toISOString(), data }
    try {
      const answer = await outgoing.send({
        method: 'POST',
        url,
        json,
        headers: signedHeaders(key, msgId, now, JSON.stringify(json)),
        isPrivateAllowed: true,
        deadlineMs: DEADLINE_MS,
        ...(ca !== null && { ca }),
      })
      if (!answer.isSuccess) throw new CarrierError(`answered ${answer.status}`)
    } catch (error) {
      throw error instanceof OutgoingError ? new CarrierError(error.message) : error
    }
  }
}
