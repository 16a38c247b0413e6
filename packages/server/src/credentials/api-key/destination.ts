import { apiKeyMethods, type Placement } from '@keyhold/contract/api/api-keys'
import { invalidField } from '../../base/app-error.ts'

/*
 * Where an API key may be sent. Both sides of the comparison are in one form: what is stored was made canonical when it
 * came in, and a request whose URL is not canonical is refused and not corrected, since the program that made it, a
 * proxy and the service might each correct it differently. What is not plainly allowed is refused.
 */

export interface Destination {
  readonly baseUrl: string
  /** Canonical `host`, or `host:port` where the port is not 443. */
  readonly allowedHosts: readonly string[]
  readonly placement: Placement
  readonly allowedMethods: readonly string[] | null
  readonly allowedPaths: readonly string[] | null
}

/** A request that wants to carry a key. */
export interface OutgoingUse {
  readonly method: string
  /** Absolute, exactly as it would be sent. */
  readonly url: string
}

export type Decision =
  | {
      readonly isAllowed: true
      /** As it has to be sent. */
      readonly url: URL
      readonly host: string
    }
  | {
      readonly isAllowed: false
      /** Does not quote the request. */
      readonly reason: string
    }

/**
 * Decides whether a request may carry the key. Says nothing of what a redirect leads to: that is another request, and is
 * asked for anew.
 */
export function authorizeRequest(key: Destination, { method, url: text }: OutgoingUse): Decision {
  const refused = (reason: string): Decision => ({ isAllowed: false, reason })
  // Parsers drop tabs and newlines, turn \ into /, and map other characters to ASCII ones: none of it may reach one.
  if (!/^[\u0021-\u007e]+$/.test(text) || text.includes('\\'))
    return refused('the URL has characters that have to be encoded')
  const url = parseUrl(text)
  const parts = URL_PARTS.exec(text)
  if (!url || !parts || text.includes('#')) return refused('the URL is not absolute, or has a fragment')
  const [, authority = '', path = ''] = parts
  if (/[@%]/.test(authority)) return refused('the URL has a user or password, or an encoded host')
  if (!isSecure(url)) return refused('the key is sent over https only')
  const host = hostOf(url)
  if (!key.allowedHosts.includes(host)) return refused('the key may not go to this host')
  // TRACE and CONNECT are in no list: the first sends the key back, the second is no request to the service.
  if (!(key.allowedMethods ?? apiKeyMethods).includes(method))
    return refused('the key may not be used with this method')
  const isBare = path === ''
  if (!isBare && (path !== url.pathname || !isPlainPath(path)))
    return refused('the path is not in its plain form')
  if (key.allowedPaths !== null) {
    if (!isUnambiguousPath(url.pathname)) return refused('the path can be read in more than one way')
    if (!key.allowedPaths.some((allowed) => isAtOrBelow(url.pathname, allowed)))
      return refused('the key may not go to this path')
  }
  return { isAllowed: true, url, host }
}

/** Authority and path, as they are written. */
const URL_PARTS = /^https?:\/\/([^/?#]+)([^?#]*)/i

/** `/v1/models` allows itself and `/v1/models/…`, not `/v1/models-x`. */
function isAtOrBelow(path: string, allowed: string): boolean {
  return path === allowed || path.startsWith(allowed.endsWith('/') ? allowed : `${allowed}/`)
}

/** No empty or dot segment, however it is spelled: some servers resolve them after they looked at the path. */
function isPlainPath(path: string): boolean {
  if (/\/\/|%2e|%00/i.test(path)) return false
  // `..;x` is `..` to servers that take away what follows a semicolon.
  return !path.split('/').some((segment) => /^\.{1,2}(?:;|$)/.test(segment))
}

/**
 * What else matters only where paths are limited: an encoded slash, what is encoded twice, an encoded `..;`, and bytes that
 * are no UTF-8: `%c0%ae` is a dot to decoders that are not strict.
 */
function isUnambiguousPath(path: string): boolean {
  if (/%2f|%5c|%25[0-9a-f]{2}|\/\.{1,2}%3b/i.test(path)) return false
  try {
    decodeURIComponent(path)
    return true
  } catch {
    return false
  }
}

/** Errors of the URL parser quote their input. */
const parseUrl = (text: string): URL | undefined => (URL.canParse(text) ? new URL(text) : undefined)

/** https, or http that does not leave the machine. */
function isSecure({ protocol, hostname }: URL): boolean {
  const isLocal = hostname === 'localhost' || hostname === '127.0.0.1' || hostname === '[::1]'
  return protocol === 'https:' || (protocol === 'http:' && isLocal)
}

/** `host`, or `host:port` where the port is not 443. */
const hostOf = ({ protocol, host, hostname, port }: URL): string =>
  protocol === 'http:' && port === '' ? `${hostname}:80` : host

/** @returns the base URL in its canonical form. @throws AppError `request.invalid` */
export function canonicalBaseUrl(text: string): { baseUrl: string; host: string } {
  const refuse = (message: string) => invalidField('baseUrl', message)
  if (/[\s\u0000-\u001f\\]/.test(text)) throw refuse('cannot have spaces, control characters or \\')
  const url = parseUrl(text)
  if (!url) throw refuse('is not a URL, such as https://api.example.com/v1')
  if (!isSecure(url)) throw refuse('begins with https://; http:// is for localhost only')
  if (url.username || url.password || text.includes('@')) throw refuse('cannot have a user or password')
  if (/[?#]/.test(text)) throw refuse('cannot have a query or fragment')
  const [, authority, path] = URL_PARTS.exec(text) ?? []
  const isPlain =
    authority !== undefined && !authority.includes('%') && (path === '' || path === url.pathname)
  if (!isPlain || !isPlainPath(url.pathname) || url.hostname.endsWith('.'))
    throw refuse('is not in its plain form, such as https://api.example.com/v1')
  return { baseUrl: url.origin + url.pathname.replace(/\/$/, ''), host: hostOf(url) }
}

/** @returns canonical hosts, each once. @throws AppError `request.invalid` naming the one that is wrong. */
export function canonicalHosts(texts: readonly string[]): string[] {
  const hosts = texts.map((text, i) => {
    const refuse = (message: string) => invalidField(`allowedHosts[${i}]`, message)
    if (text.includes('*')) throw refuse('is a wildcard; name each host')
    const isHost = !/[\s\u0000-\u001f/?#@\\%]/.test(text)
    const url = isHost ? parseUrl(`https://${text}`) : undefined
    if (!url || url.hostname.endsWith('.'))
      throw refuse('is not a host or host:port, such as api.example.com')
    return url.host
  })
  return [...new Set(hosts)]
}

/** @throws AppError `request.invalid` naming the one that is wrong. */
export function assertPaths(paths: readonly string[]): void {
  for (const [i, path] of paths.entries()) {
    const url = parseUrl(`https://host${path}`)
    const isPlain =
      path.startsWith('/') && url?.pathname === path && isPlainPath(path) && isUnambiguousPath(path)
    if (!isPlain)
      throw invalidField(`allowedPaths[${i}]`, 'is not a path in its plain form, such as /v1/models')
  }
}

/**
 * Headers that a key cannot be: those that belong to one connection (RFC 9110 §7.6.1), frame the message, say where it
 * goes or who it is from, or are other credentials.
 */
const REFUSED_HEADERS = new Set(
  `connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding upgrade
  http2-settings host content-length content-type content-encoding expect cookie set-cookie origin referer forwarded
  via range`.split(/\s+/),
)

/** @returns the placement in its one form. @throws AppError `request.invalid` */
export function canonicalPlacement(placement: Placement): Placement {
  switch (placement.kind) {
    case 'bearer':
      return { kind: 'bearer' }
    case 'query':
      return { kind: 'query', name: placement.name }
    case 'basic':
      return { kind: 'basic', username: placement.username }
    case 'header': {
      const name = placement.name.toLowerCase()
      if (REFUSED_HEADERS.has(name) || name.startsWith('x-forwarded-'))
        throw invalidField('placement.name', 'is a header that belongs to the connection, not to a key')
      return { kind: 'header', name }
    }
  }
}

/** The query without a parameter, whatever its spelling, and otherwise as it was. */
export function withoutParameter(search: string, name: string): string {
  const kept = search
    .slice(1)
    .split('&')
    .filter((part) => part !== '' && !new URLSearchParams(part).has(name))
  return kept.length > 0 ? `?${kept.join('&')}` : ''
}
