import type { Settings } from '@keyhold/contract/api/settings'
import { type Access, instance } from '../access/access.ts'
import type { Asker, Person } from '../access/caller.ts'
import { invalidField } from '../base/app-error.ts'
import type { Storage } from '../storage/storage.ts'
import type { Queries, Transaction } from '../storage/tables.ts'
import { findInstanceValue, lockAccounts, setInstanceValue } from './accounts.store.ts'

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS

/** Name of the row of the table `instance` that holds them, as JSON. */
const SETTINGS = 'settings'

/** 90 days and 180 days are what acceptance SEC-29 and C26 give. */
const defaults: Settings = {
  rotationDays: { token: 90, apiKey: 90, password: 180 },
  reminderDays: 14,
  maximumLife: { accessTokenDays: null, accessKeyDays: null, sessionHours: null },
  requireSecondFactor: false,
  auditRetentionDays: null,
}

export interface SettingsChange {
  readonly rotationDays?: Partial<Settings['rotationDays']>
  readonly reminderDays?: number
  readonly maximumLife?: Partial<Settings['maximumLife']>
  readonly requireSecondFactor?: boolean
  readonly auditRetentionDays?: number | null
}

/** What administrators decide for the whole instance. */
export class InstanceSettings {
  readonly #storage: Storage
  readonly #access: Access

  constructor(storage: Storage, access: Access) {
    this.#storage = storage
    this.#access = access
  }

  /** For the server's own use: decides and records nothing. */
  async current(db: Queries = this.#storage.db): Promise<Settings> {
    const stored = await findInstanceValue(db, SETTINGS)
    // `as`: written below. A setting that is newer than the row has its default.
    const { rotationDays, maximumLife, ...others } =
      stored === undefined ? defaults : (JSON.parse(stored) as Settings)
    return {
      ...defaults,
      ...others,
      rotationDays: { ...defaults.rotationDays, ...rotationDays },
      maximumLife: { ...defaults.maximumLife, ...maximumLife },
    }
  }

  /**
   * Refuses what would live longer than administrators let it. What was made before stays as it is.
   * @param expiresAt null: never. @throws AppError `request.invalid` with the field `expiresAt`.
   */
  async assertLife(
    db: Queries,
    kind: 'accessTokenDays' | 'accessKeyDays',
    expiresAt: Date | null,
    now: Date,
  ): Promise<void> {
    const days = (await this.current(db)).maximumLife[kind]
    if (days === null) return
    // A minute for the way here: whoever reckons the longest life from their own clock means that.
    const latest = now.getTime() + days * DAY_MS + MINUTE_MS
    if (expiresAt === null || expiresAt.getTime() > latest)
      throw invalidField(
        'expiresAt',
        `must be within ${days} days, which administrators have set as the maximum`,
      )
  }

  /** As {@link current}, as they stay until the transaction ends. */
  async locked(tx: Transaction): Promise<Settings> {
    await lockAccounts(tx)
    return this.current(tx)
  }

  async read(asker: Asker<Person>): Promise<Settings> {
    return this.#access.check(asker, 'settings.read', instance, () => this.current())
  }

  async update(asker: Asker<Person>, change: SettingsChange): Promise<Settings> {
    return this.#access.perform(asker, 'settings.update', instance, async (tx) => {
      // Of two changes at once the second keeps what the first one changed.
      const before = await this.locked(tx)
      const after: Settings = {
        ...before,
        ...change,
        rotationDays: { ...before.rotationDays, ...change.rotationDays },
        maximumLife: { ...before.maximumLife, ...change.maximumLife },
      }
      const changed = [
        ...(['token', 'apiKey', 'password'] as const)
          .filter((name) => after.rotationDays[name] !== before.rotationDays[name])
          .map((name) => `rotationDays.${name}`),
        ...(['accessTokenDays', 'accessKeyDays', 'sessionHours'] as const)
          .filter((name) => after.maximumLife[name] !== before.maximumLife[name])
          .map((name) => `maximumLife.${name}`),
        ...(['reminderDays', 'requireSecondFactor', 'auditRetentionDays'] as const).filter(
          (name) => after[name] !== before[name],
        ),
      ]
      if (changed.length === 0) return { result: before, record: null }
      await setInstanceValue(tx, SETTINGS, JSON.stringify(after))
      return { result: after, record: { changed } }
    })
  }
}
