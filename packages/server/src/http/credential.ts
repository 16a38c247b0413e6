import type { IncomingMessage } from 'node:http'

/** What a request presents to say who it is, unchecked. */
export type Credential =
  | { readonly kind: 'session'; readonly token: string }
  | { readonly kind: 'access-token'; readonly token: string }
  | { readonly kind: 'access-key'; readonly id: string; readonly secret: string }

/** `__Host-` binds the cookie to this very host and HTTPS (RFC 6265bis §4.1.3.2); plain HTTP on loopback cannot have it. */
export const cookieName = (isSecure: boolean): string => (isSecure ? '__Host-keyhold' : 'keyhold_session')

/** Finds the credential. The Authorization header wins over the cookie. @returns undefined when there is none. */
export function readCredential(request: IncomingMessage, isSecure: boolean): Credential | undefined {
  const { authorization } = request.headers
  if (authorization !== undefined) return readAuthorization(authorization)
  const token = readCookie(request, cookieName(isSecure))
  return token === undefined ? undefined : { kind: 'session', token }
}

/** The first cookie of this name. */
export function readCookie(request: IncomingMessage, name: string): string | undefined {
  const prefix = `${name}=`
  const pair = request.headers.cookie?.split(';').find((part) => part.trimStart().startsWith(prefix))
  return pair?.trim().slice(prefix.length)
}

function readAuthorization(header: string): Credential | undefined {
  const space = header.indexOf(' ')
  const scheme = header.slice(0, space).toLowerCase()
  const rest = header.slice(space + 1).trim()
  if (scheme === 'bearer') return { kind: 'access-token', token: rest }
  if (scheme !== 'basic') return undefined
  const pair = Buffer.from(rest, 'base64').toString('utf8')
  const colon = pair.indexOf(':')
  const id = pair.slice(0, colon)
  // What is no id is not looked up: PostgreSQL takes no NUL.
  if (colon < 0 || !/^\w{1,64}$/.test(id)) return undefined
  return { kind: 'access-key', id, secret: pair.slice(colon + 1) }
}
