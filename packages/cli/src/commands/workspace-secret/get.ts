import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { printSecretValue } from '../secret/secret-value.ts'
import { findWorkspaceSecret, workspaceArgument } from './find-workspace-secret.ts'

export const command = defineCommand({
  usage: 'WORKSPACE NAME [--json]',
  description:
    'Prints the value alone, byte for byte; on a terminal with a newline after it. For the owner and those the workspace is\n' +
    'shared with as Admin. The audit log records it as accessed.',
  arguments: [workspaceArgument, { name: 'NAME', summary: 'name or id of the secret' }],
  options: { json: jsonOption },
  examples: [{ does: 'pass a value on', command: 'keyhold workspace-secret get api NPM_TOKEN | pbcopy' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [wanted = '', name = ''] = args
      const { workspace, secret } = await findWorkspaceSecret(keyhold, wanted, name)
      const params = { workspaceId: workspace.id, workspaceSecretId: secret.id }
      const revealed = await keyhold.call('workspace-secret.reveal', { params, body: {} })
      if (options.json) return terminal.printJson(revealed)
      printSecretValue(terminal, Buffer.from(revealed.value, revealed.encoding))
    }),
})
