import type { Secret } from '@keyhold/contract/secret'
import { type Access, own } from '../../access/access.ts'
import type { Asker, Person } from '../../access/caller.ts'
import type { Account } from '../../accounts/account.ts'
import type { Accounts } from '../../accounts/accounts.service.ts'
import type { InstanceSettings } from '../../accounts/settings.service.ts'
import { AppError, invalidField } from '../../base/app-error.ts'
import type { Clock } from '../../base/clock.ts'
import { newId } from '../../base/ids.ts'
import type { Mailer } from '../../base/mailer.ts'
import { type Outgoing, OutgoingError } from '../../base/outgoing.ts'
import { messageId, shownSecret, signedHeaders } from '../../base/webhook.ts'
import type { Storage } from '../../storage/storage.ts'
import type { Vault } from '../../vault/vault.ts'
import type { Inventory } from './inventory.service.ts'
import { DAY_MS } from './inventory.ts'
import type { ReminderWebhook } from './reminder-webhook.ts'
import {
  deleteWebhook,
  findWebhook,
  forgetReminders,
  listSent,
  markSent,
  noteAttempt,
  reminderKey,
  replaceWebhook,
  type Way,
} from './reminders.store.ts'
import { dueReminders, type Reminder, reminderMail } from './reminders.ts'

const FORGOTTEN_MS = 400 * DAY_MS
/** A receiver that does not answer holds the others, and a server that stops: shorter than the time it has for that. */
const WEBHOOK_MS = 8_000

export interface ReminderParts {
  readonly storage: Storage
  readonly access: Access
  readonly accounts: Accounts
  readonly settings: InstanceSettings
  readonly inventory: Inventory
  readonly vault: Vault
  readonly mailer: Mailer
  readonly outgoing: Outgoing
  readonly clock: Clock
  readonly publicUrl: string
}

/** Tells people, by mail and by a webhook of their own, what expires and what is due for rotation. */
export class Reminders {
  readonly #parts: ReminderParts

  constructor(parts: ReminderParts) {
    this.#parts = parts
  }

  async webhook(asker: Asker<Person>): Promise<ReminderWebhook | undefined> {
    const { access, storage } = this.#parts
    return access.check(asker, 'reminder-webhook.read', own(), () =>
      findWebhook(storage.db, asker.caller.accountId),
    )
  }

  /** Replaces the address. @returns the secret that signs what is sent there; it can be made again, but not be asked for. */
  async setWebhook(
    asker: Asker<Person>,
    url: string,
  ): Promise<{ webhook: ReminderWebhook; secret: Secret<string> }> {
    const { access, clock } = this.#parts
    const { accountId } = asker.caller
    return access.perform(asker, 'reminder-webhook.update', own(), async (tx) => {
      const row = {
        // A new id, and so a new secret: whoever knew the old one signs nothing any more.
        id: newId('whk'),
        account_id: accountId,
        url: canonicalUrl(url),
        created_at: clock.now().getTime(),
        last_attempt_at: null,
        last_failure: null,
      }
      await replaceWebhook(tx, row)
      const webhook = (await findWebhook(tx, accountId))!
      const result = { webhook, secret: shownSecret(this.#key(webhook.id)) }
      return { result, record: { target: { kind: 'reminder-webhook', id: row.id } } }
    })
  }

  async deleteWebhook(asker: Asker<Person>): Promise<void> {
    await this.#parts.access.perform(asker, 'reminder-webhook.delete', own(), async (tx) => {
      if (!(await deleteWebhook(tx, asker.caller.accountId))) throw new AppError('reminder_webhook.not_found')
      return { result: undefined, record: {} }
    })
  }

  /** Sends a test message. @returns why it failed; null when it did not. */
  async testWebhook(asker: Asker<Person>): Promise<string | null> {
    const { access, storage, clock } = this.#parts
    const webhook = await access.perform(asker, 'reminder-webhook.test', own(), async (tx) => {
      const found = await findWebhook(tx, asker.caller.accountId)
      if (!found) throw new AppError('reminder_webhook.not_found')
      return { result: found, record: { target: { kind: 'reminder-webhook', id: found.id } } }
    })
    const failure = await this.#post(webhook, {
      type: 'credentials.test',
      timestamp: clock.now().toISOString(),
      data: { account: { id: asker.caller.accountId, name: asker.caller.name }, reminders: [] },
    })
    await storage.transaction((tx) => noteAttempt(tx, webhook.id, clock.now().getTime(), failure))
    return failure
  }

  /**
   * Tells everybody what they were not yet told. Run on one server at a time. What could not be sent is sent the next time;
   * a server that dies between sending and noting it tells once more.
   * @param stopping ends it after the person whose turn it is.
   * @throws Error after all were tried, when something could not be sent.
   */
  async run(stopping?: AbortSignal): Promise<void> {
    const { accounts, storage, clock } = this.#parts
    let failures = 0
    let last: unknown
    for (const account of await accounts.listActive()) {
      if (stopping?.aborted) return
      try {
        await this.#remind(account)
      } catch (error) {
        failures += 1
        last = error
      }
    }
    const before = clock.now().getTime() - FORGOTTEN_MS
    await storage.transaction((tx) => forgetReminders(tx, before))
    if (failures > 0) throw new Error(`reminders of ${failures} people could not be sent`, { cause: last })
  }

  async #remind(account: Account): Promise<void> {
    const { settings, inventory, clock, mailer, storage, publicUrl } = this.#parts
    const now = clock.now()
    const due = dueReminders(await inventory.items(account.id), await settings.current(), now)
    if (due.length === 0) return
    let failure: Error | undefined
    if (mailer.isConfigured) {
      const news = await this.#unsent(account.id, due, 'mailed_at')
      if (news.length > 0) {
        try {
          await mailer.send({ to: account.email, ...reminderMail(account.name, news, now, publicUrl) })
          await storage.transaction((tx) => markSent(tx, account.id, news, 'mailed_at', now.getTime()))
        } catch (error) {
          // The other way is tried all the same. `as`: the mailer throws errors.
          failure = error as Error
        }
      }
    }
    const webhook = await findWebhook(storage.db, account.id)
    if (webhook) {
      const news = await this.#unsent(account.id, due, 'posted_at')
      if (news.length > 0) {
        const refused = await this.#post(webhook, {
          type: 'credentials.reminder',
          timestamp: news[0]!.dueAt.toISOString(),
          data: {
            account: { id: account.id, name: account.name },
            reminders: news.map((reminder) => ({ ...reminder, dueAt: reminder.dueAt.toISOString() })),
          },
        })
        await storage.transaction(async (tx) => {
          await noteAttempt(tx, webhook.id, now.getTime(), refused)
          if (refused === null) await markSent(tx, account.id, news, 'posted_at', now.getTime())
        })
        if (refused !== null) failure ??= new Error(`the webhook of ${account.id}: ${refused}`)
      }
    }
    if (failure) throw failure
  }

  async #unsent(accountId: string, due: readonly Reminder[], way: Way): Promise<Reminder[]> {
    const sent = await listSent(this.#parts.storage.db, accountId, way)
    return due.filter((reminder) => !sent.has(reminderKey(reminder)))
  }

  /** @returns why it was not taken; null when it was. Nothing of the answer is kept: it is the other side's text. */
  async #post(webhook: ReminderWebhook, message: object): Promise<string | null> {
    const { outgoing, clock } = this.#parts
    const body = JSON.stringify(message)
    const id = messageId(webhook.id, body)
    try {
      const answer = await outgoing.send({
        method: 'POST',
        url: webhook.url,
        json: message,
        deadlineMs: WEBHOOK_MS,
        headers: signedHeaders(this.#key(webhook.id), id, clock.now(), body),
      })
      return answer.isSuccess ? null : `answered ${answer.status}`
    } catch (error) {
      if (error instanceof OutgoingError) return error.message
      throw error
    }
  }

  /** Derived, not stored: there is nothing to seal, and nothing to leak. */
  #key(webhookId: string): Buffer {
    return this.#parts.vault.deriveKey(`reminder-webhook/${webhookId}`)
  }
}

function canonicalUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (
    !url ||
    !/^https?:$/.test(url.protocol) ||
    url.username !== '' ||
    url.password !== '' ||
    url.hash !== ''
  )
    throw invalidField('url', 'is not an https address without user, password and fragment')
  return url.href
}
