import type { sentRecords } from '@keyhold/contract/api/audit-destinations'
import { limits } from '@keyhold/contract/limits'
import type { Secret } from '@keyhold/contract/secret'
import { type Access, instance } from '../access/access.ts'
import type { Asker, Person } from '../access/caller.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import { AppError, invalidField } from '../base/app-error.ts'
import type { Clock } from '../base/clock.ts'
import { newId } from '../base/ids.ts'
import type { Outgoing } from '../base/outgoing.ts'
import { shownSecret } from '../base/webhook.ts'
import { type Storage, violatedUnique } from '../storage/storage.ts'
import type { Queries } from '../storage/tables.ts'
import type { Vault } from '../vault/vault.ts'
import * as store from './destination.store.ts'
import { type Destination, parseTarget, type Target, targetText } from './destination.ts'

export interface NewDestination {
  readonly target: string
  readonly records?: (typeof sentRecords)[number] | undefined
  readonly ca?: string | undefined
}

/** A destination and how many records nothing that was sent covers yet. */
export interface DestinationState {
  readonly destination: Destination
  readonly pending: number
}

export interface DestinationParts {
  readonly storage: Storage
  readonly access: Access
  readonly audit: AuditLog
  readonly vault: Vault
  readonly outgoing: Outgoing
  readonly clock: Clock
}

export const pendingOf = (destination: Destination, size: number): number =>
  Math.max(0, size - (destination.isSentRecords ? destination.position : destination.checkpointSize))

/** Signs what is posted. Derived, not stored: there is nothing to seal, and nothing to leak. */
export const webhookKey = (vault: Vault, id: string): Buffer => vault.deriveKey(`audit-destination/${id}`)

/** Where administrators have the audit log sent. */
export class AuditDestinations {
  readonly #parts: DestinationParts

  constructor(parts: DestinationParts) {
    this.#parts = parts
  }

  async list(asker: Asker<Person>): Promise<DestinationState[]> {
    return this.#parts.access.check(asker, 'audit-destination.list', instance, () => this.states())
  }

  /** For the server's own use: decides and records nothing. */
  async states(): Promise<DestinationState[]> {
    const { storage, audit } = this.#parts
    const destinations = await store.listDestinations(storage.db)
    if (destinations.length === 0) return []
    const size = await audit.size()
    return destinations.map((destination) => ({ destination, pending: pendingOf(destination, size) }))
  }

  /** Up to where every destination that gets records has them. */
  async sentUpTo(db: Queries): Promise<number> {
    const destinations = await store.listDestinations(db)
    const positions = destinations.filter((one) => one.isSentRecords).map((one) => one.position)
    return Math.min(Number.MAX_SAFE_INTEGER, ...positions)
  }

  /** @returns the destination, and the secret of a webhook, which is shown once. */
  async create(
    asker: Asker<Person>,
    wish: NewDestination,
  ): Promise<{ state: DestinationState; secret: Secret<string> | null }> {
    const { access, audit, vault, clock } = this.#parts
    return access.perform(asker, 'audit-destination.create', instance, async (tx) => {
      const target = parseTarget(wish.target)
      this.#assertReachable(target, wish)
      if ((await store.listDestinations(tx)).length >= limits.auditDestinations)
        throw new AppError('audit_destination.limit')
      const size = await audit.size(tx)
      const destination: Destination = {
        id: newId('dst'),
        target: targetText(target),
        ca: wish.ca ?? null,
        isSentRecords: (wish.records ?? 'none') !== 'none',
        position: wish.records === 'all' ? 0 : size,
        checkpointSize: 0,
        failures: 0,
        createdAt: clock.now(),
        lastAttemptAt: null,
        lastSuccessAt: null,
        lastFailure: null,
      }
      await store.insertDestination(tx, toRow(destination)).catch((error: unknown) => {
        throw violatedUnique(error) ? new AppError('audit_destination.exists', {}, error) : error
      })
      const secret = target.kind === 'webhook' ? shownSecret(webhookKey(vault, destination.id)) : null
      return {
        result: { state: { destination, pending: pendingOf(destination, size) }, secret },
        record: {
          target: { kind: 'audit-destination', id: destination.id, name: recorded(destination.target) },
        },
      }
    })
  }

  async delete(asker: Asker<Person>, id: string): Promise<void> {
    await this.#parts.access.perform(asker, 'audit-destination.delete', instance, async (tx) => {
      const name = await store.deleteDestination(tx, id)
      if (name === undefined) throw new AppError('audit_destination.not_found')
      return {
        result: undefined,
        record: { target: { kind: 'audit-destination', id, name: recorded(name) } },
      }
    })
  }

  /** What can be told without a connection. The rest shows in the list. */
  #assertReachable(target: Target, { ca }: NewDestination): void {
    const { outgoing } = this.#parts
    const isSecure = target.kind === 'webhook' || (target.kind === 'syslog' && target.transport === 'tls')
    if (ca !== undefined && !isSecure) throw invalidField('ca', 'is for https and syslog+tls only')
    if (target.kind === 'file') return
    const problem =
      target.kind === 'webhook'
        ? outgoing.problemWith({ url: target.url, isPrivateAllowed: true })
        : outgoing.problemWithHost(target.host, {
            isSecure,
            isPrivateAllowed: true,
            isPlainAllowedPrivately: true,
          })
    if (problem?.failure === 'insecure' && target.kind === 'syslog')
      throw invalidField('target', 'without TLS only private addresses are reached; use syslog+tls://')
    if (problem) throw invalidField('target', problem.message)
  }
}

/** What the log says of a target: addresses of webhooks often hold a token, and records go to other destinations too. */
function recorded(text: string): string {
  const target = parseTarget(text)
  return target.kind === 'webhook' ? new URL(target.url).origin : text
}

const toRow = (destination: Destination) => ({
  id: destination.id,
  target: destination.target,
  ca: destination.ca,
  sends_records: destination.isSentRecords ? 1 : 0,
  position: destination.position,
  checkpoint_size: 0,
  lease_until: 0,
  due_at: 0,
  failures: 0,
  created_at: destination.createdAt.getTime(),
  last_attempt_at: null,
  last_success_at: null,
  last_failure: null,
})
