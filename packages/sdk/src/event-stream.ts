import { KeyholdError } from './error.ts'

/** One server-sent event. */
export interface StreamEvent {
  readonly type: string
  readonly data: string
}

/** Events of Keyhold are far shorter. */
const EVENT_LENGTH_MAX = 64 * 1024

/**
 * Takes server-sent events out of the bytes of an answer (HTML standard, 9.2.6). Lines end with LF or CRLF; `id` and
 * `retry` are left out, because whoever reads this keeps no place in the stream and says itself when it comes back.
 *
 * @throws KeyholdError `integrity.answer` for an event that is longer than any of Keyhold's
 */
export async function* streamEvents(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<StreamEvent, void> {
  const decoder = new TextDecoder()
  let rest = ''
  let type = ''
  let data: string[] = []
  for await (const piece of bytes) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const [, field, value] = /^([^:\r]*)(?::[ ]?([^\r]*))?\r?$/.exec(line) ?? []
      if (field === 'event') type = value ?? ''
      else if (field === 'data') data.push(value ?? '')
      else if (field === '' && value === undefined) {
        // Without data it is none: a comment that keeps the connection open, or only a field.
        if (data.length > 0) yield { type: type || 'message', data: data.join('\n') }
        type = ''
        data = []
      }
    }
    if (rest.length + data.reduce((sum, { length }) => sum + length, 0) > EVENT_LENGTH_MAX)
      throw new KeyholdError('integrity.answer', "the event is longer than any of Keyhold's")
  }
}
