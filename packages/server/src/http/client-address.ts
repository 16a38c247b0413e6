import type { IncomingMessage } from 'node:http'
import { type BlockList, isIP } from 'node:net'
import { canonicalAddress } from '../base/address.ts'

/** Hops of X-Forwarded-For that are looked at; more is an attack or a loop. */
const HOPS_MAX = 32

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
