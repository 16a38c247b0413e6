/** The address of a person, to which reminders go. */
export interface ReminderWebhook {
  readonly id: string
  readonly accountId: string
  readonly url: string
  readonly createdAt: Date
  readonly lastAttemptAt: Date | null
  readonly lastFailure: string | null
}
