import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { confirmed, yesOption } from '../../present.ts'
import { findWorkspace } from './find-workspace.ts'

export const command = defineCommand({
  usage: 'WORKSPACE [--yes]',
  description:
    'Its connection ends at once, and its credential is worth nothing any more. Another agent can join.',
  arguments: [{ name: 'WORKSPACE', summary: 'name or id' }],
  options: { yes: yesOption },
  examples: [{ does: 'cut off an agent', command: 'keyhold workspace disconnect api' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const workspace = await findWorkspace(keyhold, args[0] ?? '')
      confirmed(terminal, options.yes, `cut off the agent of ${workspace.name}?`)
      await keyhold.call('agent.disconnect', { params: { workspaceId: workspace.id } })
      terminal.note(`the agent of ${workspace.name} is cut off`)
    }),
})
