import { base64OfText } from './base64.ts'
import { KeyholdError } from './error.ts'

/** Where Keyhold is and who calls. Without a credential only the routes that need none can be called. */
export type ConnectionOptions =
  | {
      readonly url: string
      readonly accessKeyId: string
      readonly accessKey: string
      readonly token?: undefined
    }
  | {
      readonly url: string
      readonly token: string
      readonly accessKeyId?: undefined
      readonly accessKey?: undefined
    }
  | {
      readonly url: string
      readonly token?: undefined
      readonly accessKeyId?: undefined
      readonly accessKey?: undefined
    }

export type CredentialKind = 'access-key' | 'token' | 'none'

/** A checked connection. The credential is in `#` fields: no way of printing shows it. */
export class Connection {
  /** Address without a slash at its end. */
  readonly url: string
  readonly credentialKind: CredentialKind
  /** An identifier, not a secret. */
  readonly accessKeyId: string | undefined
  readonly #authorization: string | undefined
  readonly #confidential: readonly string[]

  constructor(options: ConnectionOptions) {
    this.url = checkedUrl(options.url)
    const { token, accessKeyId, accessKey } = options
    if (token !== undefined && (accessKeyId !== undefined || accessKey !== undefined)) {
      throw invalid('give an access token or an access key, not both')
    }
    if (token !== undefined) {
      checkCredential(token, 'the access token')
      this.credentialKind = 'token'
      this.#authorization = `Bearer ${token}`
      this.#confidential = [token]
      return
    }
    if (accessKeyId === undefined && accessKey === undefined) {
      this.credentialKind = 'none'
      this.#confidential = []
      return
    }
    if (accessKeyId === undefined) throw invalid('the access key has no access key ID with it')
    if (accessKey === undefined) throw invalid('the access key ID has no access key with it')
    checkCredential(accessKeyId, 'the access key ID')
    checkCredential(accessKey, 'the access key')
    if (accessKeyId.includes(':')) throw invalid('the access key ID has a character that cannot be in one')
    const basic = base64OfText(`${accessKeyId}:${accessKey}`)
    this.credentialKind = 'access-key'
    this.accessKeyId = accessKeyId
    this.#authorization = `Basic ${basic}`
    this.#confidential = [accessKey, basic]
  }

  /** Value of the Authorization header. */
  authorization(): string | undefined {
    return this.#authorization
  }

  /** Texts that may never come back out in an error. */
  confidential(): readonly string[] {
    return this.#confidential
  }
}

/** Checked before a header is made of it: the errors of `Headers` quote what they refuse. */
function checkCredential(credential: string, what: string): void {
  if (typeof credential !== 'string' || credential === '') throw invalid(`${what} is empty`)
  if (credential.length > CREDENTIAL_LENGTH_MAX) throw invalid(`${what} is too long to be one`)
  if (!/^[\x21-\x7e]+$/.test(credential)) {
    throw invalid(`${what} has a space, a line end or another character that cannot be in one`)
  }
}

function checkedUrl(text: string): string {
  // URL.parse, not new URL: the error of the latter quotes the text, which may have a password in it.
  const url = typeof text === 'string' ? URL.parse(text) : null
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw invalid('the URL is not an http or https address')
  }
  if (url.username !== '' || url.password !== '') {
    throw invalid('the URL has a user name or password in it; give credentials apart from it')
  }
  if (url.search !== '' || url.hash !== '') throw invalid('the URL has a query or a fragment; leave it out')
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    throw invalid(`${url.host} is not on this machine: use https, or the credential could be read on the way`)
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '')
}

/** `hostname` as URL wrote it: numeric forms of an IPv4 address have already become dotted ones. */
function isLoopback(hostname: string): boolean {
  return (
    hostname === 'localhost' ||
    hostname.endsWith('.localhost') ||
    hostname === '[::1]' ||
    /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(hostname)
  )
}

const invalid = (message: string) => new KeyholdError('configuration.invalid', message)

const CREDENTIAL_LENGTH_MAX = 4_096
