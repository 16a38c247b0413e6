import type { RestoreChange } from '@keyhold/contract/api/secrets'
import type { EarlierVersion } from './deleted-secret.store.ts'
import type { StoredSecret } from './secret.ts'

/** How long deleted secrets are kept, in case their environment is restored. */
export const DELETED_KEPT_MS = 30 * 86_400_000

export interface RestoreStep extends RestoreChange {
  /** The secret of that name now; not for what was deleted. */
  readonly now?: StoredSecret
  /** What it was then; not for what was not there. */
  readonly earlier?: EarlierVersion
}

export interface RestorePlan {
  readonly at: Date
  readonly changes: readonly RestoreStep[]
  readonly isComplete: boolean
  /** Another one as soon as a secret of the environment is another. */
  readonly state: string
}

/** Compares an environment with what it was. Goes by names: a secret that was deleted and made anew is one that changed. */
export function planRestore(
  live: readonly StoredSecret[],
  earlier: readonly EarlierVersion[],
): readonly RestoreStep[] {
  const then = new Map<string, EarlierVersion>()
  // Of two of one name at one moment, as only a clock that was set back makes them, the first.
  for (const one of earlier) if (!then.has(one.name)) then.set(one.name, one)
  const names = [...new Set([...live.map(({ name }) => name), ...then.keys()])].sort()
  const nowOf = new Map(live.map((secret) => [secret.name, secret]))
  return names.flatMap((name): RestoreStep[] => {
    const now = nowOf.get(name)
    const before = then.get(name)
    if (!now) return before ? [{ name, change: 'added', earlier: before }] : []
    if (!before) return [{ name, change: 'removed', now }]
    const isSame = before.id === now.id && before.version === now.version
    return isSame ? [] : [{ name, change: 'changed', now, earlier: before }]
  })
}
