import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { confirmed, yesOption } from '../../present.ts'
import { findWorkspaceSecret, workspaceArgument } from './find-workspace-secret.ts'

export const command = defineCommand({
  usage: 'WORKSPACE NAME [--yes]',
  description: 'Deletes the secret with its versions. Processes that run keep what they had.',
  arguments: [workspaceArgument, { name: 'NAME', summary: 'name or id of the secret' }],
  options: { yes: yesOption },
  examples: [
    { does: 'delete a secret of a workspace', command: 'keyhold workspace-secret unset api OLD_TOKEN' },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [wanted = '', name = ''] = args
      const { workspace, secret } = await findWorkspaceSecret(keyhold, wanted, name)
      confirmed(terminal, options.yes, `delete ${secret.name} of ${workspace.name}, with its versions?`)
      await keyhold.call('workspace-secret.delete', {
        params: { workspaceId: workspace.id, workspaceSecretId: secret.id },
      })
      terminal.note(`${secret.name} deleted from ${workspace.name}`)
    }),
})
