import type { Credential } from '@keyhold/contract/api/credentials'
import { type Access, own } from '../../access/access.ts'
import type { Asker, Person } from '../../access/caller.ts'
import type { InstanceSettings } from '../../accounts/settings.service.ts'
import type { Clock } from '../../base/clock.ts'
import type { CredentialItem, CredentialSource } from '../../base/credential-item.ts'
import { bySoonest, toCredential } from './inventory.ts'

/** Everything that is kept for a person, in one list. */
export class Inventory {
  readonly #access: Access
  readonly #settings: InstanceSettings
  readonly #sources: readonly CredentialSource[]
  readonly #clock: Clock

  constructor(
    access: Access,
    settings: InstanceSettings,
    sources: readonly CredentialSource[],
    clock: Clock,
  ) {
    this.#access = access
    this.#settings = settings
    this.#sources = sources
    this.#clock = clock
  }

  /** Soonest expiry first. */
  async list(asker: Asker<Person>): Promise<Credential[]> {
    return this.#access.check(asker, 'credential.list', own(), async () => {
      const settings = await this.#settings.current()
      const items = await this.items(asker.caller.accountId)
      const now = this.#clock.now()
      return items.sort((a, b) => bySoonest(a, b, settings)).map((item) => toCredential(item, settings, now))
    })
  }

  /** For the server's own use: decides nothing. */
  async items(accountId: string): Promise<CredentialItem[]> {
    return (await Promise.all(this.#sources.map((source) => source.items(accountId)))).flat()
  }
}
