import { limits } from '@keyhold/contract/limits'
import type { Secret } from '@keyhold/contract/secret'
import { type Access, own } from '../../access/access.ts'
import { type Asker, ownerIdOf, type Person, type WorkspaceAgent } from '../../access/caller.ts'
import type { Accounts } from '../../accounts/accounts.service.ts'
import { AppError, invalidField } from '../../base/app-error.ts'
import { type Clock, LAST_USED_STEP_MS } from '../../base/clock.ts'
import type { CredentialItem, CredentialSource } from '../../base/credential-item.ts'
import { newId } from '../../base/ids.ts'
import { Turns } from '../../base/turns.ts'
import { type Storage, violatedUnique } from '../../storage/storage.ts'
import type { Vault } from '../../vault/vault.ts'
import { gitSigningOf } from './git-signing.ts'
import * as store from './gpg-key.store.ts'
import { type GitHosts, type GpgKey, type GpgRemoval, isExpired, mergeDeployments } from './gpg-key.ts'
import {
  generateKeyPair,
  importKeyPair,
  type KeyPair,
  revocationCertificateOf,
  signDetached,
} from './openpgp.ts'

export interface GpgKeyWish {
  /** Default: the account's. */
  readonly name?: string
  readonly email?: string
  readonly expiresAt: Date | null
}

/** A key that was just taken in. */
export interface NewGpgKey {
  readonly gpgKey: GpgKey
  readonly revocationCertificate: string | null
}

/** Keys that are taken in at once, each worked on for up to seconds, and how many may wait for that. */
const IMPORTS_PARALLEL_MAX = 1
const IMPORTS_WAITING_MAX = 16

/** What separates the parts of a user id. */
const PARTS = /[<>()]/

/** People's GPG keys: generated or imported, deployed to code hosts, and signed with. No private key leaves. */
export class GpgKeys implements CredentialSource {
  readonly #storage: Storage
  readonly #access: Access
  readonly #accounts: Accounts
  readonly #vault: Vault
  readonly #hosts: GitHosts
  readonly #clock: Clock
  readonly #imports = new Turns(IMPORTS_PARALLEL_MAX, IMPORTS_WAITING_MAX)

  constructor(parts: {
    storage: Storage
    access: Access
    accounts: Accounts
    vault: Vault
    hosts: GitHosts
    clock: Clock
  }) {
    this.#storage = parts.storage
    this.#access = parts.access
    this.#accounts = parts.accounts
    this.#vault = parts.vault
    this.#hosts = parts.hosts
    this.#clock = parts.clock
  }

  async list(asker: Asker<Person>): Promise<GpgKey[]> {
    return this.#access.check(asker, 'gpg-key.list', own(), () =>
      store.listKeys(this.#storage.db, asker.caller.accountId),
    )
  }

  /** @throws AppError `gpg_key.not_found`, also for another person's. */
  async get(asker: Asker<Person>, id: string): Promise<GpgKey> {
    return this.#access.check(asker, 'gpg-key.list', attempt(id), () => this.#find(asker, id))
  }

  /** Generates a key. @throws AppError `request.invalid`, `gpg_key.limit`. */
  async create(asker: Asker<Person>, wish: GpgKeyWish): Promise<NewGpgKey> {
    return this.#add(asker, async () => {
      const now = this.#clock.now()
      if (wish.expiresAt && wish.expiresAt <= now) throw invalidField('expiresAt', 'must be in the future')
      if (wish.name !== undefined && PARTS.test(wish.name))
        throw invalidField('name', 'cannot have brackets: they separate the parts of a user id')
      const account = await this.#accounts.find(asker.caller.accountId)
      if (!account) throw new AppError('auth.required')
      const name = wish.name ?? account.name.replaceAll(/[<>()]/g, '')
      return generateKeyPair({ name, email: wish.email ?? account.email, expiresAt: wish.expiresAt }, now)
    })
  }

  /** Takes in a private key that was made elsewhere. @throws AppError `request.invalid`, `gpg_key.exists`, `gpg_key.limit`, `rate.limited`. */
  async import(
    asker: Asker<Person>,
    armored: Secret<string>,
    passphrase: Secret<string> | undefined,
  ): Promise<NewGpgKey> {
    return this.#add(asker, () =>
      this.#imports.take(asker.caller.accountId, () => importKeyPair(armored, passphrase, this.#clock.now())),
    )
  }

  async #add(asker: Asker<Person>, obtain: () => Promise<KeyPair>): Promise<NewGpgKey> {
    const { accountId } = asker.caller
    // Before the transaction, in which nothing slow happens; and only for who may.
    const { facts, privateKey, revocationCertificate } = await this.#access.check(
      asker,
      'gpg-key.create',
      own(),
      async () => {
        const pair = await obtain()
        const certificate = await revocationCertificateOf(pair.privateKey, this.#clock.now())
        return { ...pair, revocationCertificate: certificate }
      },
    )
    const gpgKey = await this.#access.perform(asker, 'gpg-key.create', own(), async (tx, grant) => {
      // The account is locked (see Access.perform): two at once do not pass the limit together.
      const existing = await store.listKeys(tx, accountId)
      if (existing.some(({ fingerprint }) => fingerprint === facts.fingerprint))
        throw new AppError('gpg_key.exists')
      if (existing.length >= limits.gpgKeysPerPerson) throw new AppError('gpg_key.limit')
      const key: GpgKey = {
        ...{ id: newId('gpg'), accountId, ...facts },
        ...{ createdAt: this.#clock.now(), lastUsedAt: null, deployments: [] },
      }
      await store.insertKey(tx, this.#vault, grant, key, privateKey).catch((error: unknown) => {
        throw violatedUnique(error) ? new AppError('gpg_key.exists', {}, error) : error
      })
      return { result: key, record: keyRecord(key) }
    })
    return { gpgKey, revocationCertificate }
  }

  /** Deploys the public key to every connected code host, and keeps what became of it. */
  async publish(asker: Asker<Person>, id: string): Promise<GpgKey> {
    const { accountId } = asker.caller
    const key = await this.#access.check(asker, 'gpg-key.publish', attempt(id), () => this.#find(asker, id))
    const outcomes = await this.#hosts.publishGpgKey(asker, key.publicKey, `Keyhold ${key.keyId}`)
    try {
      return await this.#access.perform(asker, 'gpg-key.publish', attempt(id), async (tx) => {
        const before = await store.findKey(tx, accountId, key.id)
        if (!before) throw new AppError('gpg_key.not_found')
        const deployments = mergeDeployments(before.deployments, outcomes, this.#clock.now())
        await store.replaceDeployments(tx, key.id, deployments)
        return { result: { ...before, deployments }, record: keyRecord(before) }
      })
    } catch (error) {
      // Deleted meanwhile: what was just deployed must not stay behind.
      if (error instanceof AppError && error.code === 'gpg_key.not_found')
        await this.#remove(asker, mergeDeployments([], outcomes, this.#clock.now()))
      throw error
    }
  }

  /** Deletes the key, and then removes it at the code hosts. @returns what became of that, host by host. */
  async delete(asker: Asker<Person>, id: string): Promise<GpgRemoval[]> {
    const { accountId } = asker.caller
    const deployments = await this.#access.perform(asker, 'gpg-key.delete', attempt(id), async (tx) => {
      const key = await store.findKey(tx, accountId, id)
      if (!key || !(await store.deleteKey(tx, key.id, accountId))) throw new AppError('gpg_key.not_found')
      return { result: key.deployments, record: keyRecord(key) }
    })
    return this.#remove(asker, deployments)
  }

  async #remove(asker: Asker<Person>, deployments: GpgKey['deployments']): Promise<GpgRemoval[]> {
    const published = deployments.filter(({ status }) => status === 'published')
    if (published.length === 0) return []
    const named = published.flatMap(({ connectionId, remoteId }) =>
      remoteId === null ? [] : [{ connectionId, remoteId }],
    )
    // The key is deleted: that a host could not be asked is part of the answer and no failure of it.
    const outcomes = await this.#hosts.removeGpgKey(asker, named).catch(() => [])
    return published.map(
      ({ connectionId, provider }) =>
        outcomes.find((outcome) => outcome.connectionId === connectionId) ?? {
          ...{ connectionId, provider, status: 'failed' },
          reason: 'not connected any more, or not reached; remove the key there by hand',
        },
    )
  }

  /** Makes a revocation certificate anew. Recorded before. @returns null where the primary key is kept elsewhere. */
  async revocationCertificate(asker: Asker<Person>, id: string): Promise<string | null> {
    return this.#withPrivateKey(asker, 'gpg-key.revocation', id, {}, (privateKey, now) =>
      revocationCertificateOf(privateKey, now),
    )
  }

  /**
   * Signs for one of the person's workspaces. Its agent gets what git signs, and with {@link signingKey} alone; what it was is
   * in the record. Recorded before.
   * @param name id, fingerprint or key id. @returns an armored detached signature.
   * @throws AppError `gpg_key.not_found`, `gpg_key.expired`, `gpg_key.sign_refused`.
   */
  async sign(
    asker: Asker<Person | WorkspaceAgent>,
    name: string,
    data: Uint8Array,
    { workspaceId }: { workspaceId?: string } = {},
  ): Promise<string> {
    const where = workspaceId === undefined ? {} : { workspace: workspaceId }
    const purposeOf = asker.caller.kind === 'person' ? undefined : (key: GpgKey) => this.#purposeOf(key, data)
    return this.#withPrivateKey(
      asker,
      'gpg-key.sign',
      name,
      where,
      async (privateKey, now, key) => {
        const signature = await signDetached(privateKey, data, now)
        await this.#touch(key)
        return signature
      },
      purposeOf,
    )
  }

  /** @throws AppError `gpg_key.sign_refused`. */
  async #purposeOf({ accountId, fingerprint }: GpgKey, data: Uint8Array): Promise<string> {
    if ((await this.signingKey(accountId))?.fingerprint !== fingerprint)
      throw signRefused('Workspaces sign with the newest key of their owner')
    const what = gitSigningOf(data)
    if (what === undefined) throw signRefused('It is no commit, tag or push certificate of git')
    return `${what} with ${fingerprint}`
  }

  /** The newest key that can sign. Decides nothing: whoever asks has. */
  async signingKey(accountId: string): Promise<{ fingerprint: string; email: string } | undefined> {
    const now = this.#clock.now()
    const key = (await store.listKeys(this.#storage.db, accountId)).findLast((one) => !isExpired(one, now))
    return key && { fingerprint: key.fingerprint, email: key.email }
  }

  async #withPrivateKey<T>(
    asker: Asker<Person | WorkspaceAgent>,
    action: 'gpg-key.sign' | 'gpg-key.revocation',
    name: string,
    where: { workspace?: string },
    use: (privateKey: Secret<Uint8Array>, now: Date, key: GpgKey) => Promise<T>,
    purposeOf?: (key: GpgKey) => Promise<string>,
  ): Promise<T> {
    const { db } = this.#storage
    const now = this.#clock.now()
    return this.#access.deliver(
      asker,
      action,
      attempt(name, where),
      async () => {
        const key = await this.#find(asker, name)
        if (action === 'gpg-key.sign' && isExpired(key, now)) throw new AppError('gpg_key.expired')
        const sealed = await store.findSealed(db, key)
        if (!sealed) throw new AppError('gpg_key.not_found')
        const { target } = keyRecord(key)
        const purpose = (await purposeOf?.(key)) ?? target.name
        return { found: { key, sealed }, records: [{ ...where, target: { ...target, name: purpose } }] }
      },
      async (grant, { key, sealed }) =>
        use(await store.openPrivateKey(db, this.#vault, grant, key, sealed), now, key),
    )
  }

  async #find(asker: Asker<Person | WorkspaceAgent>, name: string): Promise<GpgKey> {
    const key = await store.findKey(this.#storage.db, ownerIdOf(asker.caller), name)
    if (!key) throw new AppError('gpg_key.not_found')
    return key
  }

  /** Keeps "last used", to the minute. */
  async #touch({ id, lastUsedAt }: GpgKey): Promise<void> {
    const now = this.#clock.now().getTime()
    const unlessSince = now - LAST_USED_STEP_MS
    if (lastUsedAt && lastUsedAt.getTime() >= unlessSince) return
    // The use is recorded: that a convenience could not be kept must not stop it.
    await this.#storage.transaction((tx) => store.touchKey(tx, id, now, unlessSince)).catch(() => {})
  }

  async items(accountId: string): Promise<CredentialItem[]> {
    const keys = await store.listKeys(this.#storage.db, accountId)
    return keys.map(({ id, keyId, email, createdAt, lastUsedAt, expiresAt }) => ({
      kind: 'gpg-key',
      ...{ id, name: keyId, purpose: 'signs commits', usedIn: email, accessLevel: null },
      ...{ createdAt, lastUsedAt, expiresAt, rotation: null, rotatedAt: createdAt },
      status: 'active',
    }))
  }
}

const signRefused = (detail: string): AppError => new AppError('gpg_key.sign_refused', { detail })

/** What an attempt was about. What could be no id is left out: what was pasted there may be a value. */
function attempt(id: string, where: { workspace?: string } = {}) {
  return own({ ...where, ...(/^gpg_[0-9a-z]{20}$/.test(id) && { target: { kind: 'gpg-key', id } }) })
}

function keyRecord({ id, fingerprint }: GpgKey) {
  return { target: { kind: 'gpg-key', id, name: fingerprint } }
}
