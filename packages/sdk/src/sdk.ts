import type { inspect } from 'node:util'
import type { SecretInfo, SecretType } from '@keyhold/contract/api/secrets'
import { base64OfBytes, textOfBytes } from './base64.ts'
import { Cache, STALENESS_MS_MAX } from './cache.ts'
import { Connection, type ConnectionOptions, type CredentialKind } from './connection.ts'
import { DeliveredSecret } from './delivered-secret.ts'
import { connectionOfSettings, type EnvironmentVariables, environmentSettings } from './environment.ts'
import { KeyholdError, SecretNotFoundError } from './error.ts'
import type { CallAnswer, CallArguments, CallInput, CallSettings, RouteId } from './route-types.ts'
import { type RouteEntry, routeTable, watchedRoutes } from './routes.gen.ts'
import { checkedDeadline, type Fetch, Transport, withDeadline } from './transport.ts'
import type { SecretsVersion, WatchSettings } from './watch.ts'

// The package's only entry, so its names are exported from here.
export type { ConnectionOptions, CredentialKind } from './connection.ts'
export type { EnvironmentSettings, EnvironmentVariables } from './environment.ts'
export type { KeyholdErrorCode, KeyholdErrorFacts, SdkErrorCode } from './error.ts'
export type { CallAnswer, CallArguments, CallInput, CallSettings, RouteId } from './route-types.ts'
export type { SecretsVersion, WatchInterruption, WatchSettings } from './watch.ts'
export { connectionOfSettings, DeliveredSecret, environmentSettings, KeyholdError, SecretNotFoundError }

/** Keyhold sends something every 15 s on a stream of changes; one that was silent for so long is dead. */
const WATCH_SILENCE_MS = 45_000

export interface KeyholdOptions {
  /** Environment that is asked for when a call names none. Default `All`. */
  readonly environment?: string | undefined
  /** Milliseconds for a whole call, with its retries and its body. Default 10,000. */
  readonly deadlineMs?: number | undefined
  /** How old a value that `get` and `all` return may be, in milliseconds: 0 (the default: always ask) to 300,000. */
  readonly maxStalenessMs?: number | undefined
  /** Gives up every call of this client. */
  readonly signal?: AbortSignal | undefined
  /** Used in place of the global `fetch`. */
  readonly fetch?: Fetch | undefined
  /** How the client names itself in the audit log. */
  readonly userAgent?: string | undefined
}

export interface ReadSettings extends CallSettings {
  /** Environment to read from; values it does not have come from `All`. */
  readonly environment?: string | undefined
  /** As the client's; 0 asks the server in any case. */
  readonly maxStalenessMs?: number | undefined
}

/** A secret that was left out, and the reference that has no value. */
export type UnresolvedSecret = CallAnswer<'current.secrets'>['unresolved'][number]

export interface AllSettings extends ReadSettings {
  /** Told of each secret that is left out, once for each request that is made. */
  readonly onUnresolved?: ((secret: UnresolvedSecret) => void) | undefined
}

export interface SetSettings extends CallSettings {
  readonly environment?: string | undefined
  /** Default: what the secret has, and `token` for a new one. */
  readonly type?: SecretType | undefined
  readonly description?: string | undefined
  /** Fail with `secret.changed` unless this is the current version. A missing secret is then not created. */
  readonly expectedVersion?: number | undefined
}

/**
 * A client of one Keyhold instance, for a machine with a project access key or for a person with an access token.
 *
 * Neither values nor the credential are shown by any way of printing the client or its errors.
 */
export class Keyhold {
  readonly #connection: Connection
  readonly #transport: Transport
  readonly #cache = new Cache<ReadonlyMap<string, DeliveredSecret>>()
  readonly #environment: string | undefined
  readonly #maxStalenessMs: number
  readonly #deadlineMs: number

  /** @throws KeyholdError `configuration.invalid` */
  constructor(connection: ConnectionOptions, options: KeyholdOptions = {}) {
    this.#connection = new Connection(connection)
    this.#deadlineMs = checkedDeadline(options.deadlineMs ?? 10_000)
    this.#maxStalenessMs = checkedStaleness(options.maxStalenessMs ?? 0)
    this.#environment = options.environment
    this.#transport = new Transport(
      this.#connection,
      {
        fetch: options.fetch,
        deadlineMs: this.#deadlineMs,
        signal: options.signal,
        userAgent: options.userAgent ?? 'keyhold-sdk/0.1.0',
      },
      () => this.#cache.drop(),
    )
  }

  /**
   * Makes a client from `KEYHOLD_URL`, `KEYHOLD_TOKEN` or `KEYHOLD_ACCESS_KEY_ID` and `KEYHOLD_ACCESS_KEY`, and
   * `KEYHOLD_ENVIRONMENT`, each also as the name of a file in `<NAME>_FILE`.
   *
   * @throws KeyholdError `configuration.invalid`
   */
  static fromEnvironment(variables: EnvironmentVariables, options: KeyholdOptions = {}): Keyhold {
    const settings = environmentSettings(variables)
    return new Keyhold(connectionOfSettings(settings), {
      ...options,
      environment: options.environment ?? settings.environment,
    })
  }

  get url(): string {
    return this.#connection.url
  }

  get credentialKind(): CredentialKind {
    return this.#connection.credentialKind
  }

  /** Environment that is asked for when a call names none. */
  get environment(): string | undefined {
    return this.#environment
  }

  /**
   * Reads one value, from the environment or else from All.
   *
   * @param settings `default` is returned when the secret does not exist, and on no other failure.
   * @throws SecretNotFoundError, KeyholdError
   */
  async get(name: string, settings: ReadSettings & { readonly default?: string } = {}): Promise<string> {
    try {
      return (await this.#one(name, settings)).text()
    } catch (error) {
      if (error instanceof SecretNotFoundError && settings.default !== undefined) return settings.default
      throw error
    }
  }

  /** Reads one value as bytes. @throws SecretNotFoundError, KeyholdError */
  async getBytes(name: string, settings: ReadSettings = {}): Promise<Uint8Array<ArrayBuffer>> {
    return (await this.#one(name, settings)).bytes()
  }

  /**
   * Reads all secrets of the environment, with those it takes from All, by name. One that refers to a secret that is not
   * there is left out, and `onUnresolved` is told.
   * @throws KeyholdError
   */
  async all(settings: AllSettings = {}): Promise<ReadonlyMap<string, DeliveredSecret>> {
    const environment = settings.environment ?? this.#environment
    const secrets = await this.#read(JSON.stringify(['all', environment]), settings, async (shared) => {
      const answer = await this.#machineCall('current.secrets', { query: { environment }, ...shared })
      const list: unknown = (answer as { secrets?: unknown } | null)?.secrets // `as`: checked here, since anything may answer.
      if (!Array.isArray(list)) throw notASecret()
      const byName = new Map<string, DeliveredSecret>()
      for (const item of list) {
        const secret = new DeliveredSecret(item)
        byName.set(secret.name, secret)
      }
      if (byName.size !== list.length) throw notASecret()
      for (const one of answer.unresolved ?? []) settings.onUnresolved?.(one)
      return byName
    })
    // A copy: what the caller does to it must not change the cache.
    return new Map(secrets)
  }

  /**
   * Creates the secret, or gives it a new value; an equal value changes nothing. Nothing is repeated when the connection
   * fails: whether it was done can then be seen by reading.
   *
   * @param value text, or bytes
   * @throws KeyholdError
   */
  async set(name: string, value: string | Uint8Array, settings: SetSettings = {}): Promise<SecretInfo> {
    const { type, description, expectedVersion, signal, deadlineMs } = settings
    const environment = settings.environment ?? this.#environment
    const content = wireValue(value)
    const shared = { signal, deadlineMs, confidential: [content.value] }
    const changes = { ...content, type, description, expectedVersion }
    const update = () =>
      this.#machineCall('current.update', {
        params: { name },
        query: { environment },
        body: withoutUndefined(changes),
        secretName: name,
        ...shared,
      })
    const create = () =>
      this.#machineCall('current.create', {
        body: withoutUndefined({ name, ...content, type: type ?? 'token', description, environment }),
        ...shared,
      })
    try {
      try {
        return await update()
      } catch (error) {
        if (!(error instanceof SecretNotFoundError) || expectedVersion !== undefined) throw error
      }
      try {
        return await create()
      } catch (error) {
        // Somebody else created it in between.
        if (!(error instanceof KeyholdError) || error.code !== 'secret.exists') throw error
      }
      return await update()
    } finally {
      this.#cache.drop()
    }
  }

  /** Says which project the access key opens, and what it may do there. @throws KeyholdError */
  async project(settings: CallSettings = {}): Promise<CallAnswer<'current.get'>> {
    return this.#machineCall('current.get', settings)
  }

  /**
   * Calls a route of the API. Parameters, query, body and answer are typed as the contract has them.
   *
   * @example
   * const { accessToken, token } = await keyhold.call('access-token.create', { body: { name: 'laptop' } })
   * @throws KeyholdError
   */
  async call<Id extends RouteId>(id: Id, ...[input]: CallArguments<Id>): Promise<CallAnswer<Id>> {
    // `as`: the server answers as the contract says; its tests hold it to that.
    return (await this.#transport.call(routeTable[id], (input ?? {}) as CallInput<Id>)) as CallAnswer<Id>
  }

  /** Calls a route whose answer is long, such as `audit.export`, and gives its bytes as they arrive. */
  stream<Id extends RouteId>(id: Id, ...[input]: CallArguments<Id>): AsyncGenerator<Uint8Array, void> {
    return this.#transport.stream(routeTable[id], (input ?? {}) as CallInput<Id>) // `as`: left out means empty.
  }

  /**
   * Tells when what this client gets of an environment may have changed: at once, and after each change. Keyhold says so, and
   * nothing is asked in between. A lost connection is made anew; changes of the meantime are one version. Whoever is busy
   * gets only the newest. Reads after a version are not from the cache.
   *
   * @example
   * for await (const { version } of keyhold.watch({ environment: 'staging', signal })) restartWith(await keyhold.all())
   * @throws KeyholdError when Keyhold says no: the credential is no longer accepted, the environment is not there
   */
  async *watch(settings: WatchSettings = {}): AsyncGenerator<SecretsVersion, void> {
    const { projectId, environment = this.#environment } = settings
    const isMachine = this.#connection.credentialKind === 'access-key'
    if (isMachine === (projectId !== undefined))
      throw new KeyholdError(
        'configuration.invalid',
        isMachine ? 'an access key has one project; leave projectId out' : 'watch needs a projectId',
      )
    const route = watchedRoutes[isMachine ? 'current.changes' : 'secret.changes']
    const input = { params: { projectId }, query: { environment }, deadlineMs: WATCH_SILENCE_MS }
    // Loaded where it is needed: most programs read once, and their start counts.
    const { watchVersions } = await import('./watch.ts')
    const open = (signal: AbortSignal) => this.#transport.stream(route, { ...input, signal })
    for await (const version of watchVersions(open, settings)) {
      this.#cache.drop()
      yield version
    }
  }

  toJSON(): { url: string; credential: CredentialKind } {
    return { url: this.url, credential: this.credentialKind }
  }

  [Symbol.for('nodejs.util.inspect.custom') as typeof inspect.custom](): string {
    return `Keyhold { url: ${JSON.stringify(this.url)}, credential: '${this.credentialKind}' }`
  }

  async #one(name: string, settings: ReadSettings): Promise<DeliveredSecret> {
    const environment = settings.environment ?? this.#environment
    const secrets = await this.#read(JSON.stringify(['one', environment, name]), settings, async (shared) => {
      const secret = new DeliveredSecret(
        await this.#machineCall('current.secret', {
          params: { name },
          query: { environment },
          secretName: name,
          ...shared,
        }),
      )
      if (secret.name !== name) throw notASecret()
      return new Map([[name, secret]])
    })
    return secrets.get(name)! // The only entry, set above.
  }

  /** Reads through the cache. A shared request lives by the client's own settings, each caller waits by theirs. */
  async #read(
    key: string,
    settings: ReadSettings,
    read: (shared: CallSettings) => Promise<ReadonlyMap<string, DeliveredSecret>>,
  ): Promise<ReadonlyMap<string, DeliveredSecret>> {
    const { signal, deadlineMs } = settings
    const stalenessMs = checkedStaleness(settings.maxStalenessMs ?? this.#maxStalenessMs)
    if (stalenessMs === 0) return read({ signal, deadlineMs })
    return withDeadline(checkedDeadline(deadlineMs ?? this.#deadlineMs), [signal], () =>
      this.#cache.get(key, stalenessMs, () => read({})),
    )
  }

  async #machineCall<Id extends RouteId>(id: Id, input: object): Promise<CallAnswer<Id>> {
    if (this.#connection.credentialKind !== 'access-key') {
      throw new KeyholdError(
        'configuration.invalid',
        'this call needs a project access key; people read one value at a time with call("secret.reveal", …)',
      )
    }
    const route: RouteEntry = routeTable[id]
    return (await this.#transport.call(route, input)) as CallAnswer<Id> // `as`: as in `call`.
  }
}

/** Values travel as text where they are text, and as base64 where they are not. */
function wireValue(value: string | Uint8Array): { value: string; encoding: 'utf8' | 'base64' } {
  if (typeof value === 'string') {
    // JSON would carry half a surrogate pair as it is, and the server could not store it.
    if (!value.isWellFormed()) throw new KeyholdError('request.invalid', 'the value is not well-formed text')
    return { value, encoding: 'utf8' }
  }
  const text = textOfBytes(value)
  return text === undefined
    ? { value: base64OfBytes(value), encoding: 'base64' }
    : { value: text, encoding: 'utf8' }
}

function withoutUndefined(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

function checkedStaleness(stalenessMs: number): number {
  if (!Number.isFinite(stalenessMs) || stalenessMs < 0 || stalenessMs > STALENESS_MS_MAX) {
    throw new KeyholdError('configuration.invalid', `maxStalenessMs is not between 0 and ${STALENESS_MS_MAX}`)
  }
  return stalenessMs
}

const notASecret = () =>
  new KeyholdError('integrity.answer', 'the server answered something that is not a list of secrets')
