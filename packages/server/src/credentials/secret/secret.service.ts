import type { SecretValue, UnresolvedSecret } from '@keyhold/contract/api/secrets'
import { type Access, type Grant, inProject, type RecordDetail, type Scope } from '../../access/access.ts'
import type { Asker, Machine, Person, WorkspaceAgent } from '../../access/caller.ts'
import { AppError } from '../../base/app-error.ts'
import { type Clock, LAST_USED_STEP_MS } from '../../base/clock.ts'
import type { CredentialItem } from '../../base/credential-item.ts'
import { ALL, nameKey } from '../../projects/project.ts'
import type { Storage } from '../../storage/storage.ts'
import type { Queries } from '../../storage/tables.ts'
import { sameBytes } from '../../vault/same-bytes.ts'
import type { Vault } from '../../vault/vault.ts'
import { findEnvironment, secretNotFound } from './find-environment.ts'
import { type Reading, ReferenceResolver } from './reference-resolver.ts'
import { shownReference } from './references.ts'
import * as store from './secret.store.ts'
import {
  type ListedSecret,
  type SealedSecret,
  type StoredSecret,
  type StoredVersion,
  secretAttempt,
  secretRecord,
  toValue,
} from './secret.ts'
import { listOverridden } from './secret-override.store.ts'

/** A name in one or both of two environments. */
export interface ComparedSecret {
  readonly name: string
  /** The environment that the value is in; null: there is none. */
  readonly left: string | null
  readonly right: string | null
  readonly isSame: boolean | null
}

/** A stored secret to deliver. */
type DeliverableSecret = SealedSecret & {
  /** Its references stay as they are. */
  readonly isRaw?: boolean
}

/** What came of a delivery. */
interface Delivery {
  readonly values: SecretValue[]
  readonly unresolved: UnresolvedSecret[]
  /** What is in values by reference, and none of them. */
  readonly uses: readonly { secret: SealedSecret; environment: string; value: SecretValue }[]
}

export interface EnvironmentDelivery {
  readonly environment: string
  readonly secrets: SecretValue[]
  readonly unresolved: UnresolvedSecret[]
  readonly referenced: SecretValue[]
}

export interface RevealedValue {
  readonly value: SecretValue
  /** Whether the value still has its references in it. */
  readonly hasReferences: boolean
  readonly uses: { secretId: string; name: string; environment: string }[]
}

type ProjectScope = Extract<Scope, { kind: 'project' }>

/** Lists, compares and delivers projects' secrets. */
export class Secrets {
  readonly #storage: Storage
  readonly #access: Access
  readonly #vault: Vault
  readonly #clock: Clock
  readonly #findEffective: ReturnType<typeof store.prepareFindEffective>
  readonly #listEffective: ReturnType<typeof store.prepareListEffective>

  constructor(storage: Storage, access: Access, vault: Vault, clock: Clock) {
    this.#storage = storage
    this.#access = access
    this.#vault = vault
    this.#clock = clock
    this.#findEffective = store.prepareFindEffective(storage)
    this.#listEffective = store.prepareListEffective(storage)
  }

  /**
   * Names and facts, no values. With an environment: its own, and those it takes from `All`. Each says where the caller's
   * value comes from; of values of people's own only the caller's count. `overrides` are those of the whole project.
   */
  async list(
    asker: Asker<Person | Machine>,
    projectId: string,
    environment: string | undefined,
  ): Promise<{ secrets: ListedSecret[]; overrides: { name: string; environment: string }[] }> {
    const { db } = this.#storage
    return this.#access.check(
      asker,
      'secret.list',
      inProject(projectId, secretAttempt({ environment })),
      async () => {
        const found = await this.#listIn(db, projectId, environment)
        const { caller } = asker
        const mine = caller.kind === 'person' ? await listOverridden(db, projectId, caller.accountId) : []
        const overridden = new Set(mine.map((one) => `${one.environmentId} ${one.name}`))
        const secrets = found.secrets.map((secret): ListedSecret => {
          const places = [secret.environmentId, found.environmentId ?? secret.environmentId]
          const isMine = places.some((id) => overridden.has(`${id} ${secret.name}`))
          return { ...secret, source: isMine ? 'override' : secret.isInDefault ? 'All' : 'environment' }
        })
        return { secrets, overrides: mine.map(({ name, environment: of }) => ({ name, environment: of })) }
      },
    )
  }

  async #listIn(
    db: Queries,
    projectId: string,
    environment: string | undefined,
  ): Promise<{ secrets: StoredSecret[]; environmentId?: string }> {
    if (environment === undefined) return { secrets: await store.listSecrets(db, projectId) }
    const { id } = await findEnvironment(db, projectId, environment)
    const secrets = await store.listSecrets(db, projectId, nameKey(environment))
    const own = new Set(secrets.filter((secret) => secret.environmentId === id).map((secret) => secret.name))
    return {
      secrets: secrets.filter((secret) => secret.environmentId === id || !own.has(secret.name)),
      environmentId: id,
    }
  }

  async get(asker: Asker<Person>, projectId: string, id: string): Promise<StoredSecret> {
    return this.#access.check(asker, 'secret.list', inProject(projectId, secretAttempt({ id })), async () => {
      const secret = await store.findSecret(this.#storage.db, projectId, id)
      if (!secret) throw new AppError('secret.not_found')
      return secret
    })
  }

  /** For the inventory and its reminders: those with a period of their own, of whoever may give them a new value. */
  async items(accountId: string): Promise<CredentialItem[]> {
    const secrets = await store.listRotatingOfMember(this.#storage.db, accountId)
    return secrets.map(({ secret, projectName }) => ({
      kind: 'secret',
      id: secret.id,
      name: secret.name,
      purpose: secret.description,
      usedIn: `environment ${secret.environment} of project ${projectName}`,
      accessLevel: null,
      createdAt: secret.createdAt,
      lastUsedAt: secret.lastAccessedAt,
      expiresAt: null,
      rotation: null,
      rotationDays: secret.rotationDays ?? 0, // Above 0: the query asks for no others.
      rotatedAt: secret.rotatedAt,
      status: 'active',
    }))
  }

  async versions(
    asker: Asker<Person>,
    projectId: string,
    id: string,
  ): Promise<{ versions: StoredVersion[]; current: number }> {
    const secret = await this.get(asker, projectId, id)
    return { versions: await store.listVersions(this.#storage.db, id), current: secret.version }
  }

  /**
   * Delivers one value to a person, as it is stored.
   * @param options `version`: default the current one; `resolve`: with what its references stand for in `environment`,
   *   default the secret's own.
   */
  async reveal(
    asker: Asker<Person>,
    projectId: string,
    id: string,
    options: { version?: number; resolve?: boolean; environment?: string } = {},
  ): Promise<RevealedValue> {
    const { version, resolve = false, environment } = options
    const scope = inProject(projectId, secretAttempt({ id, environment }))
    let hasReferences = false
    const delivery = await this.#deliver(asker, scope, async (db) => {
      const secret = await store.findSecret(db, projectId, id)
      const sealed = secret && (await store.findVersion(db, secret, version ?? secret.version))
      if (!sealed) throw new AppError('secret.not_found')
      hasReferences = sealed.hasReferences && !resolve
      const { name } = await findEnvironment(db, projectId, environment ?? sealed.environment)
      // As it is: whatever it refers to stays where it is.
      const secrets = [resolve ? sealed : { ...sealed, isRaw: true }]
      return { secrets, environmentKey: nameKey(name) }
    })
    const value = onlyValue(delivery)
    const uses = delivery.uses.map(({ secret, environment }) => ({
      secretId: secret.id,
      name: secret.name,
      environment,
    }))
    return { value, hasReferences, uses }
  }

  /** Delivers one value to a machine: the environment's, else the one of `All`. */
  async read(asker: Asker<Machine>, environment: string | undefined, name: string): Promise<SecretValue> {
    const { id: projectId } = asker.caller.project
    const delivery = await this.#deliver(
      asker,
      inProject(projectId, secretAttempt({ environment, name })),
      async (db) => {
        const key = nameKey(environment ?? ALL)
        const secret = await this.#findEffective(projectId, key, name)
        // A name found in `All` says nothing about the environment that was asked for.
        if (!secret || (secret.isInDefault && key !== nameKey(ALL)))
          await findEnvironment(db, projectId, environment)
        if (!secret) throw await secretNotFound(db, projectId, key, name)
        return { secrets: [secret], environmentKey: key }
      },
    )
    return onlyValue(delivery)
  }

  /** Delivers all values of an environment to a machine; what has a reference without a value is left out, and said. */
  async readAll(asker: Asker<Machine>, environment: string | undefined): Promise<EnvironmentDelivery> {
    const { id: projectId } = asker.caller.project
    let name = ALL
    const { values, unresolved, uses } = await this.#deliver(
      asker,
      inProject(projectId, secretAttempt({ environment })),
      async (db) => {
        name = (await findEnvironment(db, projectId, environment)).name
        const environmentKey = nameKey(name)
        return { secrets: await this.#listEffective(projectId, environmentKey), environmentKey }
      },
    )
    return { environment: name, secrets: values, unresolved, referenced: uses.map(({ value }) => value) }
  }

  /**
   * Delivers secrets of an environment to a workspace, as its owner would get them; each is recorded as used.
   * @param ids those that the workspace gets.
   */
  async readFor(
    asker: Asker<WorkspaceAgent>,
    projectId: string,
    environment: string,
    ids: ReadonlySet<string>,
  ): Promise<{
    values: ReadonlyMap<string, SecretValue>
    unresolved: UnresolvedSecret[]
    referenced: SecretValue[]
  }> {
    const environmentKey = nameKey(environment)
    const secrets = (await this.#listEffective(projectId, environmentKey)).filter(({ id }) => ids.has(id))
    const scope = inProject(projectId, secretAttempt({ environment }))
    const as = { action: 'secret.use', workspace: asker.caller.workspaceId } as const
    const found = await this.#deliver(asker, scope, async () => ({ secrets, environmentKey }), as)
    const idOf = new Map(secrets.map(({ id, name }) => [name, id]))
    return {
      values: new Map(found.values.map((value) => [idOf.get(value.name)!, value])), // `!`: one of those asked for.
      unresolved: found.unresolved,
      referenced: found.uses.map(({ value }) => value),
    }
  }

  /**
   * Compares what two environments deliver. That two values are the same says something of both, so each comparison is
   * recorded; what both take from `All` is one value, and nothing is compared.
   */
  async compare(
    asker: Asker<Person>,
    projectId: string,
    left: string,
    right: string,
  ): Promise<ComparedSecret[]> {
    const { db } = this.#storage
    return this.#access.deliver(
      asker,
      'secret.compare',
      inProject(projectId),
      async () => {
        const sides: Map<string, SealedSecret>[] = []
        for (const name of [left, right]) {
          const environment = await findEnvironment(db, projectId, name)
          const secrets = await this.#listEffective(projectId, nameKey(environment.name))
          sides.push(new Map(secrets.map((secret) => [secret.name, secret])))
        }
        const names = [...new Set(sides.flatMap((side) => [...side.keys()]))].sort()
        const found = names.map((name) => ({ name, left: sides[0]!.get(name), right: sides[1]!.get(name) }))
        const compared = found.flatMap(({ left: a, right: b }) =>
          a && b && !isOneValue(a, b)
            ? [
                { secret: a, environmentKey: nameKey(left) },
                { secret: b, environmentKey: nameKey(right) },
              ]
            : [],
        )
        const resolver = await this.#planReferences(asker, projectId, compared)
        const all = [...compared.map(({ secret }) => secret), ...resolver.planned]
        const once = [...new Map(all.map((secret) => [secret.id, secret])).values()]
        return { found: { found, resolver }, records: once.map(secretRecord) }
      },
      async (grant, { found, resolver }) => {
        const open = (secret: SealedSecret) => store.openValue(db, this.#vault, grant, secret)
        const isSameValue = async (a: SealedSecret, b: SealedSecret) => {
          if (isOneValue(a, b)) return true
          const one = await resolver.resolve({ secret: a, environmentKey: nameKey(left) }, open)
          const other = await resolver.resolve({ secret: b, environmentKey: nameKey(right) }, open)
          return 'reason' in one || 'reason' in other ? null : sameBytes(one.reveal(), other.reveal())
        }
        const answer: ComparedSecret[] = []
        for (const { name, left: a, right: b } of found) {
          const isSame = a && b ? await isSameValue(a, b) : null
          answer.push({ name, left: a?.environment ?? null, right: b?.environment ?? null, isSame })
        }
        return answer
      },
    )
  }

  /** Delivers secrets as an environment has them, and records them with all that they refer to before any is opened. */
  async #deliver(
    asker: Asker<Person | Machine | WorkspaceAgent>,
    scope: ProjectScope,
    find: (db: Queries) => Promise<{ secrets: readonly DeliverableSecret[]; environmentKey: string }>,
    as: RecordDetail = {},
  ): Promise<Delivery> {
    const { db } = this.#storage
    return this.#access.deliver(
      asker,
      'secret.read',
      scope,
      async () => {
        const { secrets, environmentKey } = await find(db)
        const readings = secrets.map((secret) => ({ secret, environmentKey }))
        const resolver = await this.#planReferences(
          asker,
          scope.projectId,
          readings.filter(({ secret }) => !secret.isRaw),
        )
        const ids = new Set(secrets.map(({ id }) => id))
        const all = [...secrets, ...resolver.planned.filter(({ id }) => !ids.has(id))]
        return {
          found: { readings, resolver, all },
          records: all.map((one) => ({ ...as, ...secretRecord(one) })),
        }
      },
      async (grant: Grant<'secret.read'>, { readings, resolver, all }) => {
        const open = (secret: SealedSecret) => store.openValue(db, this.#vault, grant, secret)
        const values: SecretValue[] = []
        const unresolved: UnresolvedSecret[] = []
        for (const reading of readings) {
          const { secret } = reading
          if (secret.isRaw) {
            values.push(toValue(secret, await open(secret)))
            continue
          }
          const value = await resolver.resolve(reading, open)
          if ('reason' in value) unresolved.push({ name: secret.name, ...value })
          else values.push(toValue(secret, value, secret.hasReferences ? 'utf8' : secret.encoding))
        }
        const direct = new Set(readings.map(({ secret }) => secret))
        const uses = resolver
          .uses(readings)
          .filter(({ reading }) => !direct.has(reading.secret))
          .map(({ reading: { secret, environmentKey }, value }) => ({
            secret,
            environment: environmentKey,
            value: toValue(secret, value, secret.hasReferences ? 'utf8' : secret.encoding),
          }))
        await this.#touch(all)
        return { values, unresolved, uses }
      },
    )
  }

  /** Finds what the references of these lead to. The reader's rights decide, not those of who wrote them. */
  async #planReferences(
    asker: Asker<Person | Machine | WorkspaceAgent>,
    projectId: string,
    readings: readonly Reading[],
  ): Promise<ReferenceResolver> {
    const rights = new Map<string, Promise<boolean>>()
    // Most references are to secrets that are delivered themselves.
    const here = new Map(
      readings.map(({ secret, environmentKey }) => [`${environmentKey} ${secret.name}`, secret]),
    )
    const isWhole = readings.length > 1
    return ReferenceResolver.plan(readings, {
      list: (secrets) => store.listReferences(this.#storage.db, secrets),
      find: async (environmentKey, name) =>
        (isWhole ? here.get(`${environmentKey} ${name}`) : undefined) ??
        (await this.#findIn(projectId, environmentKey, name)),
      mayRead: (environmentKey) => {
        const known = rights.get(environmentKey)
        if (known) return known
        const scope = inProject(projectId, { environment: environmentKey })
        const right = this.#access.permits(asker, 'secret.read', scope)
        rights.set(environmentKey, right)
        return right
      },
    })
  }

  /** What an environment delivers under a name; undefined also when there is no such environment. */
  async #findIn(projectId: string, environmentKey: string, name: string): Promise<SealedSecret | undefined> {
    const secret = await this.#findEffective(projectId, environmentKey, name)
    if (!secret?.isInDefault || environmentKey === nameKey(ALL)) return secret
    return (await store.findEnvironmentByKey(this.#storage.db, projectId, environmentKey)) && secret
  }

  /**
   * Which secrets refer to a secret, or with no name to any of an environment: what has no value when it goes. Of the
   * references without an environment those count that may mean it.
   */
  async references(
    asker: Asker<Person>,
    projectId: string,
    environment: string,
    name: string | undefined,
  ): Promise<{ secretId: string; name: string; environment: string; reference: string }[]> {
    const { db } = this.#storage
    const scope = inProject(projectId, secretAttempt({ environment }))
    return this.#access.check(asker, 'secret.list', scope, async () => {
      const key = nameKey((await findEnvironment(db, projectId, environment)).name)
      const isAll = key === nameKey(ALL)
      const referring = await store.listReferring(db, projectId, name)
      return referring
        .filter(({ environment: from, reference }) => {
          if (reference.environment !== undefined)
            return nameKey(reference.environment) === key || (isAll && name !== undefined)
          return name !== undefined && (isAll || nameKey(from) === key || nameKey(from) === nameKey(ALL))
        })
        .map(({ reference, ...secret }) => ({ ...secret, reference: shownReference(reference) }))
    })
  }

  /** Keeps "last accessed", to the minute. */
  async #touch(secrets: readonly SealedSecret[]): Promise<void> {
    const now = this.#clock.now().getTime()
    const unlessSince = now - LAST_USED_STEP_MS
    const stale = secrets.filter(
      ({ lastAccessedAt }) => !lastAccessedAt || lastAccessedAt.getTime() < unlessSince,
    )
    if (stale.length === 0) return
    const ids = stale.map((secret) => secret.id)
    // The value is recorded and on its way: that a convenience could not be kept must not stop it.
    await this.#storage.transaction((tx) => store.touchSecrets(tx, ids, now, unlessSince)).catch(() => {})
  }
}

/** Whether two environments take one value from the same place: with references it may come out differently. */
function isOneValue(a: SealedSecret, b: SealedSecret): boolean {
  return a.id === b.id && !a.hasReferences
}

/** @throws AppError `secret.unresolved` when the one secret of a delivery has no value. */
function onlyValue({ values, unresolved }: Delivery): SecretValue {
  const [failed] = unresolved
  if (failed) {
    throw new AppError('secret.unresolved', {
      detail: `\${${failed.reference}} in ${failed.writtenIn}: ${failed.reason}`,
    })
  }
  return values[0]! // There is one or the other.
}
