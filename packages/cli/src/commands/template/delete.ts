import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { confirmed, yesOption } from '../../present.ts'
import { findTemplate, templateArgument } from './template-options.ts'

export const command = defineCommand({
  usage: 'TEMPLATE [--yes]',
  description: 'Workspaces that were made from it stay as they are.',
  arguments: [templateArgument],
  options: { yes: yesOption },
  examples: [{ does: 'delete a template', command: 'keyhold template delete node' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { id, name } = await findTemplate(keyhold, args[0] ?? '')
      confirmed(terminal, options.yes, `delete template ${name}?`)
      await keyhold.call('template.delete', { params: { templateId: id } })
      terminal.note(`template ${name} deleted`)
    }),
})
