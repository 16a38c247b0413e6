import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { confirmTyped } from '../../present.ts'
import { findWorkspace } from './find-workspace.ts'

export const command = defineCommand({
  usage: 'WORKSPACE [--confirm=NAME]',
  description:
    "Its secrets and shares go with it; the machine that it runs on is left alone. You are asked to type the workspace's name.",
  arguments: [{ name: 'WORKSPACE', summary: 'name or id' }],
  options: {
    confirm: {
      type: 'string',
      placeholder: 'NAME',
      summary: "the workspace's name, exactly, in place of being asked",
    },
  },
  examples: [
    { does: 'delete a workspace in a script', command: 'keyhold workspace delete api --confirm=api' },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const workspace = await findWorkspace(keyhold, args[0] ?? '')
      confirmTyped(
        terminal,
        options.confirm,
        workspace.name,
        `workspace ${workspace.name} will be deleted, with its secrets and shares`,
      )
      await keyhold.call('workspace.delete', {
        params: { workspaceId: workspace.id },
        query: { confirm: workspace.name },
      })
      terminal.note(`workspace ${workspace.name} deleted`)
    }),
})
