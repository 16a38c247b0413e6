import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { Failure } from '../../failure.ts'
import { confirmed, yesOption } from '../../present.ts'

export const command = defineCommand({
  usage: 'TARGET [--yes]',
  description:
    'For administrators. What was sent stays there. That it was removed is in the log, and was not sent.',
  arguments: [{ name: 'TARGET', summary: 'target or id, from "keyhold audit-destination list"' }],
  options: { yes: yesOption },
  examples: [
    { does: 'stop sending', command: 'keyhold audit-destination remove syslog+tls://siem.example.com:6514' },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { destinations } = await keyhold.call('audit-destination.list')
      const found = destinations.find(({ id, target }) => id === args[0] || target === args[0])
      if (found === undefined)
        throw new Failure('audit destination not found (audit_destination.not_found)', {
          hints: ['those that there are: keyhold audit-destination list'],
        })
      confirmed(terminal, options.yes, `stop sending the audit log to ${found.target}?`)
      await keyhold.call('audit-destination.delete', { params: { destinationId: found.id } })
      terminal.note(`the audit log is no longer sent to ${found.target}`)
    }),
})
