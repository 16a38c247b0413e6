import { type Access, own } from '../../access/access.ts'
import { type Asker, ownerIdOf, type Person, type WorkspaceAgent } from '../../access/caller.ts'
import type { Accounts } from '../../accounts/accounts.service.ts'
import { AppError } from '../../base/app-error.ts'
import { type Clock, LAST_USED_STEP_MS } from '../../base/clock.ts'
import type { CredentialItem, CredentialSource } from '../../base/credential-item.ts'
import { newId } from '../../base/ids.ts'
import { fingerprintOf, parsePublicKeyLine } from '../../base/ssh-public-key.ts'
import { Turns } from '../../base/turns.ts'
import { type Storage, violatedUnique } from '../../storage/storage.ts'
import type { Queries } from '../../storage/tables.ts'
import type { Vault } from '../../vault/vault.ts'
import * as store from './ssh-identity.store.ts'
import {
  algorithmOf,
  type Binding,
  bitsOf,
  type Destination,
  destinationOf,
  type IdentityType,
  purposeOf,
  type SshIdentity,
  toAnswer,
  type VerifyHost,
} from './ssh-identity.ts'
import { generateIdentity, signWith } from './ssh-signer.ts'

/** Key pairs of RSA that are made at once, each on a thread for seconds, and how many may wait for that. */
const RSA_PARALLEL_MAX = 1
const RSA_WAITING_MAX = 16

/** People's own key pairs, one each: generated, replaced, deleted, and signed with. No private key leaves. */
export class SshIdentities implements CredentialSource {
  readonly #storage: Storage
  readonly #access: Access
  readonly #accounts: Accounts
  readonly #vault: Vault
  readonly #clock: Clock
  readonly #isSignedByHost: VerifyHost
  readonly #turns = new Turns(RSA_PARALLEL_MAX, RSA_WAITING_MAX)

  constructor(
    storage: Storage,
    access: Access,
    accounts: Accounts,
    vault: Vault,
    clock: Clock,
    isSignedByHost: VerifyHost,
  ) {
    this.#storage = storage
    this.#access = access
    this.#accounts = accounts
    this.#vault = vault
    this.#clock = clock
    this.#isSignedByHost = isSignedByHost
  }

  /** @throws AppError `ssh_identity.not_found`. */
  async get(asker: Asker<Person>): Promise<SshIdentity> {
    return this.#access.check(asker, 'ssh-identity.read', own(), async () => {
      const identity = await store.findIdentity(this.#storage.db, asker.caller.accountId)
      if (!identity) throw new AppError('ssh_identity.not_found')
      return identity
    })
  }

  /** @param isReplacing lets go of the one there is. @throws AppError `ssh_identity.exists`, `rate.limited`. */
  async create(asker: Asker<Person>, type: IdentityType, isReplacing: boolean): Promise<SshIdentity> {
    const { accountId } = asker.caller
    // Before the transaction, in which nothing slow happens; and only for who may and would get it.
    const { blob, privateKey, comment } = await this.#access.check(
      asker,
      'ssh-identity.create',
      own(),
      async () => {
        if (!isReplacing && (await store.findIdentity(this.#storage.db, accountId)))
          throw new AppError('ssh_identity.exists')
        const account = await this.#accounts.find(accountId)
        if (!account) throw new AppError('auth.required')
        const generate = () => generateIdentity(type)
        const pair = await (type === 'ssh-rsa' ? this.#turns.take(accountId, generate) : generate())
        return { ...pair, comment: account.email }
      },
    )
    return this.#access.perform(asker, 'ssh-identity.create', own(), async (tx, grant) => {
      const old = isReplacing ? await store.deleteIdentity(tx, accountId) : undefined
      const now = this.#clock.now()
      const identity = {
        ...{ id: newId('idn'), accountId, type, blob, comment },
        // A new key is for no more than the one before it.
        ...{ destinations: old?.destinations ?? [], createdAt: now, lastUsedAt: null },
      }
      await store.insertIdentity(tx, this.#vault, grant, identity, privateKey).catch((error: unknown) => {
        // Of two that are generated at once, the constraint keeps one.
        throw violatedUnique(error) ? new AppError('ssh_identity.exists', {}, error) : error
      })
      return { result: identity, record: identityRecord(identity) }
    })
  }

  /**
   * Sets the only hosts that it logs in to; none: any.
   * @throws AppError `ssh_identity.not_found`, `request.invalid`.
   */
  async restrict(asker: Asker<Person>, destinations: readonly Destination[]): Promise<SshIdentity> {
    const known = destinations.map(({ name, publicKey }) => {
      const { type, blob } = parsePublicKeyLine(publicKey)
      return { name, publicKey: `${type} ${blob.toString('base64')}` }
    })
    return this.#access.perform(asker, 'ssh-identity.restrict', own(), async (tx) => {
      const identity = await store.setDestinations(tx, asker.caller.accountId, known)
      if (!identity) throw new AppError('ssh_identity.not_found')
      return { result: identity, record: identityRecord(identity) }
    })
  }

  /** @throws AppError `ssh_identity.not_found`. */
  async delete(asker: Asker<Person>): Promise<void> {
    await this.#access.perform(asker, 'ssh-identity.delete', own(), async (tx) => {
      const deleted = await store.deleteIdentity(tx, asker.caller.accountId)
      if (!deleted) throw new AppError('ssh_identity.not_found')
      return { result: undefined, record: identityRecord(deleted) }
    })
  }

  /**
   * Signs for one of the person's workspaces, as an SSH agent does: logins with this key, and commits. Recorded before.
   * @param flags of the request (RFC 9987 §5.3): 2 or 4 choose the hash for RSA. @param binding says which host it is for.
   * @returns a signature blob of SSH. @throws AppError `ssh_identity.not_found`, `ssh_identity.sign_refused`.
   */
  async sign(
    asker: Asker<Person | WorkspaceAgent>,
    data: Uint8Array,
    { flags = 0, workspaceId, binding }: { flags?: number; workspaceId?: string; binding?: Binding } = {},
  ): Promise<Buffer> {
    const { db } = this.#storage
    const ownerId = ownerIdOf(asker.caller)
    const where = workspaceId === undefined ? {} : { workspace: workspaceId }
    return this.#access.deliver(
      asker,
      'ssh-identity.sign',
      own(where),
      async () => {
        const identity = await store.findIdentity(db, ownerId)
        if (!identity) throw new AppError('ssh_identity.not_found')
        const algorithm = algorithmOf(identity.type, flags)
        const purpose = purposeOf(data, identity.blob, algorithm)
        const host = destinationOf(data, identity.destinations, binding, this.#isSignedByHost)
        const name = host === undefined ? purpose : `${purpose} to ${host}`
        const target = { kind: 'ssh-identity', id: identity.id, name }
        return { found: { identity, algorithm }, records: [{ ...where, target }] }
      },
      async (grant, { identity, algorithm }) => {
        const privateKey = await store.openPrivateKey(db, this.#vault, grant, identity)
        const signature = signWith(privateKey, algorithm, data)
        await this.#touch(identity)
        return signature
      },
    )
  }

  /** Keeps "last used", to the minute. */
  async #touch({ id, lastUsedAt }: SshIdentity): Promise<void> {
    const now = this.#clock.now().getTime()
    const unlessSince = now - LAST_USED_STEP_MS
    if (lastUsedAt && lastUsedAt.getTime() >= unlessSince) return
    // The use is recorded: that a convenience could not be kept must not stop it.
    await this.#storage.transaction((tx) => store.touchIdentity(tx, id, now, unlessSince)).catch(() => {})
  }

  /** The line to register elsewhere, as other kinds show it. Decides nothing: whoever asks has. */
  async publicKeyOf(accountId: string): Promise<string | undefined> {
    const identity = await store.findIdentity(this.#storage.db, accountId)
    return identity && toAnswer(identity).publicKey
  }

  /** Whether a public key is somebody's identity. Decides nothing. */
  isIdentity(db: Queries, blob: Uint8Array): Promise<boolean> {
    return store.isIdentity(db, blob)
  }

  async items(accountId: string): Promise<CredentialItem[]> {
    const identity = await store.findIdentity(this.#storage.db, accountId)
    if (!identity) return []
    const { id, type, comment, createdAt, lastUsedAt } = identity
    return [
      {
        kind: 'ssh-identity',
        ...{ id, name: comment, purpose: `${type}, ${bitsOf[type]} bits`, usedIn: 'outside hosts' },
        ...{
          accessLevel: null,
          createdAt,
          lastUsedAt,
          expiresAt: null,
          rotation: null,
          rotatedAt: createdAt,
        },
        status: 'active',
      },
    ]
  }
}

function identityRecord({ id, blob }: SshIdentity) {
  return { target: { kind: 'ssh-identity', id, name: fingerprintOf(blob) } }
}
