import { createSocket } from 'node:dgram'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { type Outgoing, OutgoingError } from '../base/outgoing.ts'
import { type Carrier, CarrierError, type Parcel, type Target } from './destination.ts'

/*
 * Syslog messages (RFC 5424), each with one record or checkpoint as JSON: a datagram each by UDP (RFC 5426), counted
 * octets by TLS (RFC 5425 §4.3) and TCP (RFC 6587 §3.4.1). Syslog has no acknowledgement. By TCP and TLS a parcel counts as
 * taken when the connection was closed in order with all of it sent; by UDP when it left.
 */

const DEADLINE_MS = 10_000
/** Facility 13, log audit (RFC 5424 §6.2.1, table 1). */
const FACILITY = 13
const SEVERITY = { warning: 4, notice: 5, informational: 6 }

export interface SyslogParts {
  readonly target: Extract<Target, { kind: 'syslog' }>
  readonly ca: string | null
  readonly verifierKey: string
  /** Name of this instance in the messages. */
  readonly hostname: string
  readonly outgoing: Outgoing
}

export function syslogCarrier(parts: SyslogParts): Carrier {
  return async (parcel) => {
    if (parcel.kind === 'removed') return
    const messages = messagesOf(parcel, parts)
    const { transport, host } = parts.target
    try {
      const address = await parts.outgoing.addressOf(host, {
        isSecure: transport === 'tls',
        isPrivateAllowed: true,
        isPlainAllowedPrivately: true,
      })
      await (transport === 'udp'
        ? sendDatagrams(address, parts, messages)
        : sendStream(address, parts, messages))
    } catch (error) {
      if (error instanceof CarrierError) throw error
      if (error instanceof OutgoingError) throw new CarrierError(error.message)
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
      throw new CarrierError(`the connection failed (${code})`)
    }
  }
}

function messagesOf(
  parcel: Exclude<Parcel, { kind: 'removed' }>,
  { hostname, verifierKey }: SyslogParts,
): Buffer[] {
  if (parcel.kind === 'checkpoint') {
    const json = JSON.stringify({ size: parcel.size, checkpoint: parcel.note, verifierKey })
    return [message(SEVERITY.notice, '-', hostname, 'audit.checkpoint', json)]
  }
  return parcel.records.map(({ json }) => {
    const { time, action, outcome } = JSON.parse(json) as { time: string; action: string; outcome: string } // `as`: our own records.
    const severity = outcome === 'success' ? SEVERITY.informational : SEVERITY.warning
    return message(severity, time, hostname, action, json)
  })
}

/** RFC 5424 §6: header, no structured data, and JSON, which is UTF-8 whoever looks at it; so without a byte order mark. */
function message(severity: number, time: string, hostname: string, id: string, json: string): Buffer {
  return Buffer.from(
    `<${FACILITY * 8 + severity}>1 ${time} ${hostname} keyhold - ${id.slice(0, 32)} - ${json}`,
  )
}

async function sendDatagrams(
  address: string,
  { target }: SyslogParts,
  messages: readonly Buffer[],
): Promise<void> {
  const socket = createSocket(isIP(address) === 6 ? 'udp6' : 'udp4')
  try {
    for (const one of messages) {
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject)
        socket.send(one, target.port, address, (error) => (error ? reject(error) : resolve()))
      })
    }
  } finally {
    socket.close()
  }
}

function sendStream(
  address: string,
  { target, ca }: SyslogParts,
  messages: readonly Buffer[],
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const { host, port, transport } = target
  const socket: Socket =
    transport === 'tls'
      ? connectTls({
          host: address,
          port,
          minVersion: 'TLSv1.2',
          rejectUnauthorized: true,
          // A name is shown to the server; an address is compared with the certificate only.
          ...(isIP(host) === 0 ? { servername: host } : {}),
          ...(ca !== null && { ca }),
        })
      : connectTcp({ host: address, port })
  const deadline = setTimeout(() => {
    reject(new CarrierError('not taken in time'))
    socket.destroy()
  }, DEADLINE_MS)
  socket.on('error', reject)
  // What the receiver says is read and ignored: until it is, the connection does not end.
  socket.resume()
  socket.once(transport === 'tls' ? 'secureConnect' : 'connect', () =>
    socket.end(Buffer.concat(messages.map((one) => Buffer.concat([Buffer.from(`${one.length} `), one])))),
  )
  // Closed by the other side too: everything before was received there.
  socket.on('close', (hadError) => (hadError ? reject(new CarrierError('the connection broke')) : resolve()))
  return promise.finally(() => clearTimeout(deadline))
}
