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
      confirmed(terminal, options.yes, 'stop sending reminders to your address?')
      await keyhold.call('reminder-webhook.delete')
      terminal.note('reminders are no longer sent to your address')
    }),
})
