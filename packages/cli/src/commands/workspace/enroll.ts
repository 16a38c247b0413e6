import { closeSync, openSync, writeSync } from 'node:fs'
import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { codeOf, Failure } from '../../failure.ts'
import { shownTime } from '../../present.ts'
import { findWorkspace } from './find-workspace.ts'

export const command = defineCommand({
  usage: 'WORKSPACE [--output=FILE] [--json]',
  description: `Prints the token alone on standard output, this once. It is good for an hour, and for one agent; a token made before ends.
The agent that joins takes the place of the one that the workspace has.`,
  arguments: [{ name: 'WORKSPACE', summary: 'name or id' }],
  options: {
    output: {
      type: 'string',
      short: 'o',
      placeholder: 'FILE',
      summary: 'write the token to this new file, which only you can read, instead',
    },
    json: jsonOption,
  },
  examples: [
    { does: 'have the token in a file', command: 'keyhold workspace enroll api --output=token' },
    {
      does: 'let another machine be the workspace',
      command: 'keyhold workspace enroll api | ssh host KEYHOLD_URL=https://keys.example.com keyhold agent',
    },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const workspace = await findWorkspace(keyhold, args[0] ?? '')
      // First of all, so that the token is not made and then lost.
      const file = options.output === undefined ? undefined : newFile(options.output)
      const answer = await keyhold.call('agent.create_enrollment', {
        params: { workspaceId: workspace.id },
      })
      if (options.json) terminal.printJson({ workspaceId: workspace.id, ...answer })
      else if (file === undefined) terminal.print(answer.token)
      if (file !== undefined) {
        writeSync(file, `${answer.token}\n`)
        closeSync(file)
      }
      terminal.note(
        `enrollment token of ${workspace.name}, good for one agent until ${shownTime(answer.expiresAt)}`,
      )
      if (workspace.agent) terminal.note('the agent that it has now will be shut out when the new one joins')
      terminal.hint(
        `on the machine that is to be the workspace: KEYHOLD_URL=${keyhold.url} KEYHOLD_ENROLLMENT_TOKEN_FILE=… keyhold agent`,
      )
    }),
})

function newFile(path: string): number {
  try {
    return openSync(path, 'wx', 0o600)
  } catch (error) {
    throw new Failure(`${path} cannot be made (${codeOf(error)})`, {
      hints: ['name a file that does not exist yet, in a directory that does'],
    })
  }
}
