import { toDate } from '../../base/clock.ts'
import type { Queries, Tables, Transaction } from '../../storage/tables.ts'
import type { ReminderWebhook } from './reminder-webhook.ts'
import type { Reminder } from './reminders.ts'

/** How reminders go out, and the column that says when one did. */
export type Way = 'mailed_at' | 'posted_at'

/** The keys (see {@link reminderKey}) of what the person was told this way. */
export async function listSent(db: Queries, accountId: string, way: Way): Promise<Set<string>> {
  const rows = await db
    .selectFrom('reminders')
    .select(['credential_kind', 'credential_id', 'reason', 'due_at'])
    .where('account_id', '=', accountId)
    .where(way, 'is not', null)
    .execute()
  return new Set(
    rows.map((row) => [row.credential_kind, row.credential_id, row.reason, row.due_at].join(' ')),
  )
}

export function reminderKey({ kind, id, reason, dueAt }: Reminder): string {
  return [kind, id, reason, dueAt.getTime()].join(' ')
}

export async function markSent(
  tx: Transaction,
  accountId: string,
  reminders: readonly Reminder[],
  way: Way,
  now: number,
): Promise<void> {
  for (const { kind, id, reason, dueAt } of reminders) {
    await tx
      .insertInto('reminders')
      .values({
        account_id: accountId,
        credential_kind: kind,
        credential_id: id,
        reason,
        due_at: dueAt.getTime(),
        mailed_at: null,
        posted_at: null,
        [way]: now,
      })
      .onConflict((conflict) =>
        conflict
          .columns(['account_id', 'credential_kind', 'credential_id', 'reason', 'due_at'])
          .doUpdateSet({ [way]: now }),
      )
      .execute()
  }
}

/** Forgets reminders of dates so long ago that nobody is reminded of them again. */
export async function forgetReminders(tx: Transaction, before: number): Promise<void> {
  await tx.deleteFrom('reminders').where('due_at', '<', before).where('reason', '=', 'expires').execute()
}

const rowToWebhook = (row: Tables['reminder_webhooks']): ReminderWebhook => ({
  id: row.id,
  accountId: row.account_id,
  url: row.url,
  createdAt: new Date(row.created_at),
  lastAttemptAt: toDate(row.last_attempt_at),
  lastFailure: row.last_failure,
})

export async function findWebhook(db: Queries, accountId: string): Promise<ReminderWebhook | undefined> {
  const row = await db
    .selectFrom('reminder_webhooks')
    .selectAll()
    .where('account_id', '=', accountId)
    .executeTakeFirst()
  return row && rowToWebhook(row)
}

/** Puts a webhook in the place of the one that the person may have had. */
export async function replaceWebhook(tx: Transaction, row: Tables['reminder_webhooks']): Promise<void> {
  await deleteWebhook(tx, row.account_id)
  await tx.insertInto('reminder_webhooks').values(row).execute()
}

/** @returns false when there was none. */
export async function deleteWebhook(tx: Transaction, accountId: string): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('reminder_webhooks')
    .where('account_id', '=', accountId)
    .executeTakeFirstOrThrow()
  return numDeletedRows > 0n
}

export async function noteAttempt(
  tx: Transaction,
  id: string,
  now: number,
  failure: string | null,
): Promise<void> {
  await tx
    .updateTable('reminder_webhooks')
    .set({ last_attempt_at: now, last_failure: failure })
    .where('id', '=', id)
    .execute()
}
