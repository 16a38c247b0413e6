import type { CallAnswer } from '@keyhold/sdk'
import type { GitCredential } from './requests.ts'

type GitHosts = CallAnswer<'agent.identity'>['gitHosts']
type Fetch = (host: string, isRejected: boolean) => Promise<GitCredential>

/** A token is fetched anew when it has less than this left: a clone may take a while. */
const FETCH_BEFORE_MS = 5 * 60_000
/** One that does not end is asked for again after this, so that the log says where it is in use. */
const KEPT_MS_MAX = 60 * 60_000

interface Kept {
  readonly connectionId: string
  readonly credential: Promise<GitCredential>
  readonly askedAt: number
}

/** The tokens of connected code hosts, in memory, so that git does not wait for the server each time. */
export class GitTokens {
  readonly #fetch: Fetch
  #hosts = new Map<string, string>()
  readonly #kept = new Map<string, Kept>()
  readonly #rejected = new Set<string>()
  /** Those that were fetched and may still be good: sessions with Edit blank them. */
  readonly #values = new Map<string, string>()
  /** Awaited before a token is handed out. */
  beforeUse: () => Promise<void> = async () => {}

  constructor(fetch: Fetch) {
    this.#fetch = fetch
  }

  /** The tokens that programs here can have, by host. */
  get values(): ReadonlyMap<string, string> {
    return this.#values
  }

  /** Hosts that git asks for. */
  get hosts(): readonly string[] {
    return [...this.#hosts.keys()]
  }

  /** Takes the connections that there are; tokens of others are forgotten. */
  use(hosts: GitHosts): void {
    const byToken = hosts.filter(({ method }) => method === 'oauth')
    this.#hosts = new Map(byToken.map(({ host, connectionId }) => [host, connectionId]))
    for (const [host, { connectionId }] of this.#kept)
      if (this.#hosts.get(host) !== connectionId) this.#kept.delete(host)
  }

  forget(): void {
    this.use([])
  }

  /** @param named as the address has it. @returns undefined for a host that is not connected, to the letter. */
  async get(named: string): Promise<GitCredential | undefined> {
    const host = named.toLowerCase().replace(/:443$/, '')
    const connectionId = this.#hosts.get(host)
    if (connectionId === undefined) return undefined
    const kept = this.#kept.get(host)
    if (kept && isGood(await kept.credential.catch(() => undefined), kept.askedAt)) return kept.credential
    // Another one may have begun to ask meanwhile.
    const current = this.#kept.get(host)
    if (current && current !== kept) return current.credential
    const credential = this.#fetch(host, this.#rejected.delete(host)).then(async (fetched) => {
      this.#values.set(host, fetched.password)
      await this.beforeUse()
      return fetched
    })
    this.#kept.set(host, { connectionId, credential, askedAt: Date.now() })
    return credential
  }

  /** The host did not accept this one: the next one is another, if it is the last that was given. */
  async reject(named: string, password: string): Promise<void> {
    const host = named.toLowerCase().replace(/:443$/, '')
    const credential = await this.#kept.get(host)?.credential.catch(() => undefined)
    if (credential?.password !== password) return
    this.#kept.delete(host)
    this.#rejected.add(host)
  }
}

function isGood(credential: GitCredential | undefined, askedAt: number): boolean {
  if (credential === undefined || Date.now() - askedAt > KEPT_MS_MAX) return false
  return credential.expiresAtMs === null || credential.expiresAtMs - Date.now() > FETCH_BEFORE_MS
}
