import * as api from '@keyhold/contract/api/reminders'
import type { Machine, Person } from '../../access/caller.ts'
import type { Clock } from '../../base/clock.ts'
import { FailedAttempts } from '../../http/attempts.ts'
import type { Http } from '../../http/http.ts'
import type { ReminderWebhook } from './reminder-webhook.ts'
import type { Reminders } from './reminders.service.ts'

/** A test calls an address that its person chose: not so often that it troubles anybody. */
const TESTS_MAX = 5
const MINUTE_MS = 60_000

export function reminderRoutes(http: Http<Person, Machine>, reminders: Reminders, clock: Clock): void {
  const tests = new FailedAttempts(clock, TESTS_MAX, MINUTE_MS)

  http.person(api.getReminderWebhook, async ({ caller, origin }) => {
    const webhook = await reminders.webhook({ caller, origin })
    return { webhook: webhook ? toAnswer(webhook) : null }
  })
  http.person(api.setReminderWebhook, async ({ caller, origin, body }) => {
    const { webhook, secret } = await reminders.setWebhook({ caller, origin }, body.url)
    return { webhook: toAnswer(webhook), secret: secret.reveal() }
  })
  http.person(api.deleteReminderWebhook, ({ caller, origin }) => reminders.deleteWebhook({ caller, origin }))
  http.person(api.testReminderWebhook, async ({ caller, origin }) => {
    tests.assertAllowed(caller.accountId)
    tests.recordFailure(caller.accountId)
    const failure = await reminders.testWebhook({ caller, origin })
    return { isDelivered: failure === null, failure }
  })
}

function toAnswer({ url, createdAt, lastAttemptAt, lastFailure }: ReminderWebhook): api.ReminderWebhook {
  return {
    url,
    createdAt: createdAt.toISOString(),
    lastAttemptAt: lastAttemptAt?.toISOString() ?? null,
    lastFailure,
  }
}
