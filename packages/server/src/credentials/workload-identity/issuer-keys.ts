import type { Clock } from '../../base/clock.ts'
import { type Outgoing, OutgoingError } from '../../base/outgoing.ts'
import { type Jwks, readJwks } from './workload-identity.ts'

/** Keys are taken from memory for this long; issuers announce new ones earlier than that. */
const FRESH_MS = 10 * 60_000
/** A key that is not there makes us look again, but not more often than this: anybody can name one. */
const REFETCH_MS = 30_000
/** After a failure, everybody is told the same for this long. */
const FAILED_MS = 10_000
const ISSUERS_MAX = 500
const DEADLINE_MS = 8_000
const ANSWER_BYTES_MAX = 256 * 1024

/** The issuer gave no keys. The text says why, without quoting what it answered. */
export class IssuerError extends Error {}

interface Entry {
  readonly at: number
  readonly keys: Jwks | IssuerError
}

/** Keys of issuers, found as OpenID Connect Discovery 1.0 §4 says, and kept for a while. */
export class IssuerKeys {
  readonly #outgoing: Outgoing
  readonly #clock: Clock
  readonly #known = new Map<string, Entry>()
  readonly #fetching = new Map<string, Promise<Entry>>()

  constructor(outgoing: Outgoing, clock: Clock) {
    this.#outgoing = outgoing
    this.#clock = clock
  }

  /** @param isUnknown a token names a key that is not among those that were given before. @throws IssuerError */
  async keysOf(issuer: string, isUnknown = false): Promise<Jwks> {
    const known = this.#known.get(issuer)
    const age = known ? this.#clock.now().getTime() - known.at : Number.POSITIVE_INFINITY
    const lasts = known?.keys instanceof IssuerError ? FAILED_MS : isUnknown ? REFETCH_MS : FRESH_MS
    const { keys } = known && age < lasts ? known : await this.#fetchOnce(issuer)
    if (keys instanceof IssuerError) throw keys
    return keys
  }

  /** One request at a time for each issuer, however many ask. */
  #fetchOnce(issuer: string): Promise<Entry> {
    const running = this.#fetching.get(issuer)
    if (running) return running
    const fetching = this.#fetch(issuer)
      .catch((error: unknown) => {
        if (error instanceof IssuerError) return error
        if (error instanceof OutgoingError) return new IssuerError(error.message)
        throw error
      })
      .then((keys) => {
        const entry = { at: this.#clock.now().getTime(), keys }
        this.#known.delete(issuer)
        this.#known.set(issuer, entry)
        if (this.#known.size > ISSUERS_MAX) this.#known.delete(this.#known.keys().next().value!) // `!`: it has many.
        return entry
      })
      .finally(() => this.#fetching.delete(issuer))
    this.#fetching.set(issuer, fetching)
    return fetching
  }

  async #fetch(issuer: string): Promise<Jwks> {
    const configuration = await this.#get(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)
    const { issuer: named, jwks_uri: address } = (configuration ?? {}) as Record<string, unknown> // `as`: looked at as unknown.
    // §4.3: otherwise the keys would be somebody else's.
    if (named !== issuer) throw new IssuerError('its configuration names another issuer')
    if (typeof address !== 'string' || address.length > 2_048)
      throw new IssuerError('its configuration names no address of keys')
    const keys = readJwks(await this.#get(address))
    if (!keys) throw new IssuerError('what it gives is no set of public keys')
    return keys
  }

  async #get(url: string): Promise<unknown> {
    const answer = await this.#outgoing.send({
      method: 'GET',
      url,
      deadlineMs: DEADLINE_MS,
      answerBytesMax: ANSWER_BYTES_MAX,
    })
    if (!answer.isSuccess) throw new IssuerError(`it answers ${answer.status}`)
    return answer.json
  }
}
