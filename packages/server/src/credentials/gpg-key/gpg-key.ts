import type { GpgKey as GpgKeyAnswer } from '@keyhold/contract/api/gpg-keys'
import type { Asker, Person } from '../../access/caller.ts'

/** What can be told of a key pair. */
export interface GpgKeyFacts {
  /** Upper case hex. */
  readonly fingerprint: string
  readonly keyId: string
  readonly userIds: readonly string[]
  /** Of the primary user id. */
  readonly email: string
  readonly algorithm: string
  /** Armored. */
  readonly publicKey: string
  /** When it can no longer sign. */
  readonly expiresAt: Date | null
}

/** A person's GPG key, without its private half. */
export interface GpgKey extends GpgKeyFacts {
  readonly id: string
  readonly accountId: string
  readonly createdAt: Date
  readonly lastUsedAt: Date | null
  readonly deployments: readonly Deployment[]
}

/** What became of a key at one connected code host. */
export interface GpgPublication {
  readonly connectionId: string
  readonly provider: string
  readonly status: 'published' | 'missing-scope' | 'failed'
  /** Names the key at the host. */
  readonly remoteId?: string
  readonly missingScope?: string
  readonly reason?: string
}

/** What became of the removal of a key at one code host. */
export interface GpgRemoval {
  readonly connectionId: string
  readonly provider: string
  readonly status: 'removed' | 'failed'
  readonly reason?: string
}

/** The code hosts that a person has connected. What fails at one is an outcome and stops none of the others. */
export interface GitHosts {
  publishGpgKey(asker: Asker<Person>, armored: string, name: string): Promise<GpgPublication[]>
  /** @param published by connection, as {@link publishGpgKey} answered. */
  removeGpgKey(
    asker: Asker<Person>,
    published: readonly { readonly connectionId: string; readonly remoteId: string }[],
  ): Promise<GpgRemoval[]>
}

/** A publication as it is kept. */
export interface Deployment {
  readonly connectionId: string
  readonly provider: string
  readonly status: GpgPublication['status']
  readonly remoteId: string | null
  readonly missingScope: string | null
  readonly reason: string | null
  readonly updatedAt: Date
}

/**
 * What is known after another publication. What was published stays so until it is removed: a host that has the key
 * refuses it a second time.
 */
export function mergeDeployments(
  before: readonly Deployment[],
  outcomes: readonly GpgPublication[],
  now: Date,
): Deployment[] {
  const merged = new Map(before.map((deployment) => [deployment.connectionId, deployment]))
  for (const outcome of outcomes) {
    const { connectionId, provider, status } = outcome
    if (status !== 'published' && merged.get(connectionId)?.status === 'published') continue
    merged.set(connectionId, {
      ...{ connectionId, provider, status },
      remoteId: outcome.remoteId ?? null,
      missingScope: outcome.missingScope ?? null,
      reason: outcome.reason ?? null,
      updatedAt: now,
    })
  }
  return [...merged.values()]
}

export const isExpired = ({ expiresAt }: GpgKeyFacts, now: Date): boolean =>
  expiresAt !== null && expiresAt <= now

export function toAnswer(key: GpgKey, now: Date): GpgKeyAnswer {
  const { id, fingerprint, keyId, userIds, email, algorithm, publicKey } = key
  return {
    ...{ id, fingerprint, keyId, userIds: [...userIds], email, algorithm, publicKey },
    createdAt: key.createdAt.toISOString(),
    expiresAt: key.expiresAt?.toISOString() ?? null,
    lastUsedAt: key.lastUsedAt?.toISOString() ?? null,
    status: isExpired(key, now) ? 'expired' : 'active',
    deployments: key.deployments.map(({ remoteId: _, updatedAt, ...deployment }) => ({
      ...deployment,
      updatedAt: updatedAt.toISOString(),
    })),
  }
}
