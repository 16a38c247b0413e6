import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { findWorkspace } from './find-workspace.ts'

export const command = defineCommand({
  usage: 'WORKSPACE [--json]',
  description:
    'Prints the command that enters it, alone on standard output, and the fingerprints by which gateway and workspace are known. Your SSH key has to be added first: keyhold ssh-key add. With "keyhold ssh setup" no fingerprint is asked for.',
  arguments: [{ name: 'WORKSPACE', summary: 'name or id' }],
  options: { json: jsonOption },
  examples: [{ does: 'see how a workspace is entered', command: 'keyhold workspace connect api' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const workspace = await findWorkspace(keyhold, args[0] ?? '')
      const answer = await keyhold.call('ssh.workspace', { params: { workspaceId: workspace.id } })
      if (options.json) return terminal.printJson(answer)
      terminal.print(answer.command)
      terminal.note(`the gateway is   ${answer.gatewayFingerprint}`)
      terminal.note(`the workspace is ${answer.workspaceFingerprint ?? 'not known yet'}`)
      if (!workspace.agent?.isConnected)
        terminal.note(`workspace ${workspace.name} is stopped: its agent is not connected`)
    }),
})
