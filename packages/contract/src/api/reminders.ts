import Type, { type Static } from 'typebox'
import { limits } from '../limits.ts'
import { route } from '../route.ts'
import { Nullable, Time } from './shapes.ts'

export const ReminderWebhook = Type.Object({
  url: Type.String(),
  createdAt: Time,
  /** `null`: nothing was sent yet. */
  lastAttemptAt: Nullable(Time),
  /** Why the last attempt failed; `null` when it did not. */
  lastFailure: Nullable(Type.String()),
})
export type ReminderWebhook = Static<typeof ReminderWebhook>

export const getReminderWebhook = route({
  id: 'reminder-webhook.get',
  method: 'GET',
  path: '/api/v1/reminder-webhook',
  summary: 'See where your reminders of expiry and rotation are sent, besides e-mail',
  caller: 'person',
  scope: 'credentials:read',
  action: 'reminder-webhook.read',
  status: 200,
  answer: Type.Object({ webhook: Nullable(ReminderWebhook) }),
})

export const setReminderWebhook = route({
  id: 'reminder-webhook.set',
  method: 'PUT',
  path: '/api/v1/reminder-webhook',
  summary: 'Have your reminders sent to an address; the secret that signs them is answered once',
  caller: 'person',
  scope: 'reminders:write',
  action: 'reminder-webhook.update',
  body: Type.Object(
    {
      url: Type.String({
        minLength: 1,
        maxLength: limits.urlLength,
        description: 'https, without user and password',
      }),
    },
    { additionalProperties: false },
  ),
  status: 200,
  answer: Type.Object({
    webhook: ReminderWebhook,
    /** `whsec_` and 32 bytes in base64, as Standard Webhooks has it. */
    secret: Type.String(),
  }),
})

export const deleteReminderWebhook = route({
  id: 'reminder-webhook.delete',
  method: 'DELETE',
  path: '/api/v1/reminder-webhook',
  summary: 'Stop sending your reminders to an address',
  caller: 'person',
  scope: 'reminders:write',
  action: 'reminder-webhook.delete',
  status: 204,
  errors: ['reminder_webhook.not_found'],
})

export const testReminderWebhook = route({
  id: 'reminder-webhook.test',
  method: 'POST',
  path: '/api/v1/reminder-webhook/test',
  summary: 'Send a test message to the address of your reminders',
  caller: 'person',
  scope: 'reminders:write',
  action: 'reminder-webhook.test',
  status: 200,
  answer: Type.Object({
    isDelivered: Type.Boolean(),
    /** Why not; `null` when it was. */
    failure: Nullable(Type.String()),
  }),
  errors: ['reminder_webhook.not_found'],
})
