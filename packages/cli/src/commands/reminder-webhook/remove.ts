import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { confirmed, yesOption } from '../../present.ts'

export const command = defineCommand({
  usage: '[--yes]',
  description: 'Reminders by e-mail, where there is a mail server, go on.',
  options: { yes: yesOption },
  examples: [{ does: 'stop the messages', command: 'keyhold reminder-webhook remove' }],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { webhook } = await keyhold.call('reminder-webhook.get')
      // Without one there is nothing to ask; the answer of the server says so.
      if (webhook !== null) confirmed(terminal, options.yes, `stop sending reminders to ${webhook.url}?`)
      await keyhold.call('reminder-webhook.delete')
      terminal.note('reminders are no longer sent to your address')
    }),
})
