import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { shownTime } from '../../present.ts'
import { findWorkspace } from './find-workspace.ts'

export const command = defineCommand({
  usage: 'WORKSPACE [--json]',
  description: `Prints the token alone on standard output, this once. It is good for an hour, and for one agent; a token made before ends.
The agent that joins takes the place of the one that the workspace has.`,
  arguments: [{ name: 'WORKSPACE', summary: 'name or id' }],
  options: { json: jsonOption },
  examples: [
    {
      does: 'let another machine be the workspace',
      command: 'keyhold workspace enroll api | ssh host KEYHOLD_URL=https://keys.example.com keyhold agent',
    },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const workspace = await findWorkspace(keyhold, args[0] ?? '')
      const answer = await keyhold.call('agent.create_enrollment', {
        params: { workspaceId: workspace.id },
      })
      if (options.json) terminal.printJson({ workspaceId: workspace.id, ...answer })
      else terminal.print(answer.token)
      terminal.note(
        `enrollment token of ${workspace.name}, good for one agent until ${shownTime(answer.expiresAt)}`,
      )
      if (workspace.agent) terminal.note('the agent that it has now will be shut out when the new one joins')
      terminal.hint(
        `on the machine that is to be the workspace: KEYHOLD_URL=${keyhold.url} KEYHOLD_ENROLLMENT_TOKEN_FILE=… keyhold agent`,
      )
    }),
})
