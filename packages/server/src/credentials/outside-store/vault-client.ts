import { Secret } from '@keyhold/contract/secret'
import type { OutgoingAnswer, OutgoingRequest } from '../../base/outgoing.ts'
import type { StoredOutside, StoreSettings } from './outside-store.ts'
import { STORE_DEADLINE_MS, type StoreClient, type StoreConnection, StoreError } from './store-client.ts'

/*
 * HashiCorp Vault and OpenBao, by their HTTP API (developer.hashicorp.com/vault/api-docs, openbao.org/api-docs). There is no
 * library of the vendors for Node.
 */

/** How long signing out may take: the token that is left behind ends by itself. */
const SIGN_OUT_MS = 3_000

/** Reads from a key-value engine, version 1 or 2. */
export class VaultClient implements StoreClient {
  readonly #connection: StoreConnection
  readonly #settings: Extract<StoreSettings, { kind: 'vault' }>
  #signedIn: Promise<Secret<string>> | undefined

  constructor(connection: StoreConnection, settings: Extract<StoreSettings, { kind: 'vault' }>) {
    this.#connection = connection
    this.#settings = settings
  }

  async check(): Promise<void> {
    const answer = await this.#send('GET', 'auth/token/lookup-self', await this.#token())
    if (answer.status !== 200) throw problemOf(answer, 'sign-in')
  }

  async read(path: string): Promise<StoredOutside> {
    const { mount, kvVersion } = this.#settings
    const place = kvVersion === 2 ? `${mount}/data/${path}` : `${mount}/${path}`
    const answer = await this.#send('GET', place, await this.#token())
    if (answer.status !== 200) throw problemOf(answer, 'sign-in-or-forbidden')
    const outer = fieldOf(answer.json, 'data')
    // Version 2 has the values one deeper, and null there for a version that was deleted.
    const data = kvVersion === 2 ? fieldOf(outer, 'data') : outer
    if (kvVersion === 2 && data === null) throw new StoreError('missing')
    if (!isRecord(data)) throw new StoreError('malformed')
    const values = Object.entries(data).map(([key, value]) => [key, toText(value)] as const)
    return { values: new Map(values), whole: toText(data) }
  }

  /** Takes back the token that an AppRole got: without that each start of a workspace would leave one. */
  async close(): Promise<void> {
    if (this.#settings.auth !== 'approle' || !this.#signedIn) return
    await this.#signedIn
      .then((token) => this.#send('POST', 'auth/token/revoke-self', token, undefined, SIGN_OUT_MS))
      .catch(() => {})
  }

  /** One sign-in for all that is read. */
  #token(): Promise<Secret<string>> {
    this.#signedIn ??= this.#signIn()
    return this.#signedIn
  }

  async #signIn(): Promise<Secret<string>> {
    const { auth, authMount = 'approle', roleId } = this.#settings
    const { credential } = this.#connection
    if (auth === 'token') return credential
    const answer = await this.#send('POST', `auth/${authMount}/login`, undefined, {
      role_id: roleId,
      secret_id: credential.reveal(),
    })
    // 400: "invalid role or secret ID".
    if (answer.status === 400) throw new StoreError('sign-in', 400)
    if (answer.status !== 200) throw problemOf(answer, 'sign-in')
    const token = fieldOf(fieldOf(answer.json, 'auth'), 'client_token')
    if (typeof token !== 'string' || token === '') throw new StoreError('malformed')
    return new Secret(token)
  }

  #send(
    method: OutgoingRequest['method'],
    place: string,
    token: Secret<string> | undefined,
    json?: unknown,
    deadlineMs = STORE_DEADLINE_MS,
  ): Promise<OutgoingAnswer> {
    const { store, outgoing } = this.#connection
    const path = place.split('/').map(encodeURIComponent).join('/')
    return outgoing.send({
      method,
      url: `${store.address}/v1/${path}`,
      headers: {
        // Agents and proxies of Vault ask for it, so that a page cannot have a browser send such a request.
        'x-vault-request': 'true',
        ...(this.#settings.namespace !== undefined && { 'x-vault-namespace': this.#settings.namespace }),
        ...(token && { 'x-vault-token': token.reveal() }),
      },
      ...(json !== undefined && { json }),
      ca: store.ca,
      isPrivateAllowed: true,
      deadlineMs,
    })
  }
}

function problemOf({ status }: OutgoingAnswer, refusal: 'sign-in' | 'sign-in-or-forbidden'): StoreError {
  // Vault says "permission denied" to an unknown token and to a known one without the right.
  if (status === 401 || status === 403) return new StoreError(refusal, status)
  if (status === 404) return new StoreError('missing')
  if (status >= 300 && status < 400) return new StoreError('redirect', status)
  if (status === 429 || status === 503) return new StoreError('busy', status)
  return new StoreError('failed', status)
}

const toText = (value: unknown): Secret<Uint8Array> =>
  new Secret(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)))

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const fieldOf = (value: unknown, name: string): unknown => (isRecord(value) ? value[name] : undefined)
