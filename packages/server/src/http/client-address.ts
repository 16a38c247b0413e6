import type { IncomingMessage } from 'node:http'
import { type BlockList, isIP } from 'node:net'

/** Hops of X-Forwarded-For that are looked at; more is an attack or a loop. */
const HOPS_MAX = 32

/**
 * Writes an address in its one form: no IPv6 zone, IPv4-mapped IPv6 as IPv4, no port, no brackets.
 * @returns undefined for what is no address.
 */
export function canonicalAddress(text: string): string | undefined {
  let address = text.trim()
  const bracketed = /^\[([^\]]+)\](?::\d{1,5})?$/.exec(address)
  if (bracketed) address = bracketed[1]!
  else if (/^\d{1,3}(?:\.\d{1,3}){3}:\d{1,5}$/.test(address)) address = address.slice(0, address.indexOf(':'))
  const zone = address.indexOf('%')
  if (zone >= 0) address = address.slice(0, zone)
  const mapped = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i.exec(address)
  if (mapped) address = mapped[1]!
  const version = isIP(address)
  if (version === 0) return undefined
  if (version === 4) return address
  // The URL parser compresses and lower-cases as RFC 5952 asks.
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const hexMapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical)
  if (!hexMapped) return canonical
  const [high, low] = [Number.parseInt(hexMapped[1]!, 16), Number.parseInt(hexMapped[2]!, 16)]
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
}

function contains(list: BlockList, address: string): boolean {
  return list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

export function isLoopbackAddress(address: string): boolean {
  return address === '::1' || address.startsWith('127.')
}

/** Where a request comes from and whether it travelled encrypted, as far as that can be believed. */
export interface ClientConnection {
  /** Canonical address. */
  readonly address: string
  readonly isSecure: boolean
}

/**
 * Finds the client: the right-most hop that is not a trusted proxy. X-Forwarded-For of anybody else changes nothing.
 * A hop that is no address ends the walk at the proxy that reported it.
 */
export function clientConnection(
  request: IncomingMessage,
  isTls: boolean,
  trusted: BlockList | undefined,
): ClientConnection {
  let address = canonicalAddress(request.socket.remoteAddress ?? '') ?? 'unknown'
  if (!trusted || address === 'unknown' || !contains(trusted, address)) return { address, isSecure: isTls }

  const hops = headerText(request, 'x-forwarded-for').split(',').slice(-HOPS_MAX)
  for (const hop of hops.reverse()) {
    const next = canonicalAddress(hop)
    if (next === undefined) break
    address = next
    if (!contains(trusted, next)) break
  }
  // Several values mean several proxies; the one next to us speaks last.
  const protocol = headerText(request, 'x-forwarded-proto').split(',').at(-1)!.trim().toLowerCase()
  return { address, isSecure: isTls || protocol === 'https' }
}

function headerText(request: IncomingMessage, name: string): string {
  const value = request.headers[name]
  return Array.isArray(value) ? value.join(',') : (value ?? '')
}
