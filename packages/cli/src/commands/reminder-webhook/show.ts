import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { sayEmpty, shownTime, shownTimeOr } from '../../present.ts'

export const command = defineCommand({
  usage: '[--json]',
  description: 'Where your reminders are sent besides e-mail, and how the last attempt ended.',
  options: { json: jsonOption },
  examples: [{ does: 'see whether reminders arrive', command: 'keyhold reminder-webhook show' }],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { webhook } = await keyhold.call('reminder-webhook.get')
      if (options.json) return terminal.printJson(webhook)
      if (webhook === null)
        return sayEmpty(terminal, 'no address is set', 'set one: keyhold reminder-webhook set URL')
      terminal.printTable(
        ['URL', 'SET', 'LAST SENT', 'LAST FAILURE'],
        [
          [
            webhook.url,
            shownTime(webhook.createdAt),
            shownTimeOr(webhook.lastAttemptAt, 'Never'),
            webhook.lastFailure ?? '',
          ],
        ],
      )
    }),
})
