import { domainToASCII } from 'node:url'
import { invalidField } from '../base/app-error.ts'

/** Where checkpoints, and records, are sent. */
export interface Destination {
  readonly id: string
  readonly target: string
  readonly ca: string | null
  readonly isSentRecords: boolean
  /** Records before this index were sent. */
  readonly position: number
  /** Size of the last checkpoint that was sent; 0: none was. */
  readonly checkpointSize: number
  readonly failures: number
  readonly createdAt: Date
  readonly lastAttemptAt: Date | null
  readonly lastSuccessAt: Date | null
  readonly lastFailure: string | null
}

/** A target, taken apart. */
export type Target =
  | { readonly kind: 'file'; readonly name: string }
  | { readonly kind: 'webhook'; readonly url: string }
  | {
      readonly kind: 'syslog'
      readonly transport: 'udp' | 'tcp' | 'tls'
      readonly host: string
      readonly port: number
    }

/** RFC 5426 §3.3, RFC 6587 (in use, never registered), RFC 5425 §4.1. */
const SYSLOG_PORTS = { udp: 514, tcp: 514, tls: 6514 }
/** A name in the one directory that the operator gave, never a path. */
const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/

/** @throws AppError naming the field `target`. */
export function parseTarget(text: string): Target {
  const [scheme = ''] = text.split(':', 1)
  if (scheme === 'file') {
    const name = text.slice('file:'.length)
    if (FILE_NAME.test(name)) return { kind: 'file', name }
    throw invalidField('target', 'file: is followed by the name of a file, not by a path')
  }
  // `new URL` quotes its input when it throws.
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.username !== '' || url.password !== '' || url.hash !== '')
    throw invalidField('target', 'is no address of a kind that is known')
  if (scheme === 'https' || scheme === 'http') return { kind: 'webhook', url: url.href }
  const transport = /^syslog\+(udp|tcp|tls):$/.exec(url.protocol)?.[1] as 'udp' | 'tcp' | 'tls' | undefined // `as`: the group allows no others.
  // Schemes that URL does not know keep their host as it was typed.
  const host = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : domainToASCII(url.hostname)
  if (transport === undefined || host === '' || !/^\/?$/.test(url.pathname) || url.search !== '')
    throw invalidField('target', 'is none of file:, https://, syslog+tls://, syslog+tcp:// and syslog+udp://')
  return { kind: 'syslog', transport, host, port: Number(url.port || SYSLOG_PORTS[transport]) }
}

/** The one way to write a target, so that none is there twice. */
export function targetText(target: Target): string {
  if (target.kind === 'file') return `file:${target.name}`
  if (target.kind === 'webhook') return target.url
  const host = target.host.includes(':') ? `[${target.host}]` : target.host
  return `syslog+${target.transport}://${host}:${target.port}`
}

/** What goes out in one piece. */
export type Parcel =
  | {
      readonly kind: 'records'
      readonly records: readonly { readonly hash: Uint8Array; readonly json: string }[]
    }
  /** In the place of records whose contents were removed before they were sent. Only an export has use for them. */
  | { readonly kind: 'removed'; readonly start: number; readonly hashes: readonly Uint8Array[] }
  | { readonly kind: 'checkpoint'; readonly size: number; readonly note: string }

/** Hands a parcel over. @throws whatever went wrong: then it is handed over again. */
export type Carrier = (parcel: Parcel) => Promise<void>

/** A failure whose text may be shown: it holds nothing of what was sent. */
export class CarrierError extends Error {}
