import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { usageFailure } from '../../failure.ts'
import { environmentOption, findWorkspace, readEnvironments } from './find-workspace.ts'

export const command = defineCommand({
  usage:
    'WORKSPACE [--name=NAME] [--description=TEXT] [--environment=PROJECT/ENVIRONMENT]… [--no-environment] [--no-needs]',
  description: 'Environments that are given replace those that it had.',
  arguments: [{ name: 'WORKSPACE', summary: 'name or id' }],
  options: {
    name: { type: 'string', placeholder: 'NAME', summary: 'new name' },
    description: { type: 'string', placeholder: 'TEXT', summary: 'new description' },
    environment: environmentOption,
    'no-environment': { type: 'boolean', summary: 'the workspace gets no secrets of projects any more' },
    'no-needs': { type: 'boolean', summary: 'it needs nothing of what its template named' },
    json: jsonOption,
  },
  examples: [
    { does: 'rename a workspace', command: 'keyhold workspace update api --name=backend' },
    {
      does: 'other secrets',
      command: 'keyhold workspace update api --environment=shop/staging --environment=mail/All',
    },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { name, description, environment: texts, 'no-environment': hasNone, 'no-needs': isFree } = options
      if (hasNone && texts.length > 0)
        throw usageFailure('--environment and --no-environment exclude each other')
      if (name === undefined && description === undefined && texts.length === 0 && !hasNone && !isFree)
        throw usageFailure('nothing to change', 'give --name, --description or --environment')
      const { id: workspaceId } = await findWorkspace(keyhold, args[0] ?? '')
      const workspace = await keyhold.call('workspace.update', {
        params: { workspaceId },
        body: {
          ...(name !== undefined && { name }),
          ...(description !== undefined && { description }),
          ...(isFree && { needs: [] }),
          ...((texts.length > 0 || hasNone) && { environments: await readEnvironments(keyhold, texts) }),
        },
      })
      if (options.json) return terminal.printJson(workspace)
      terminal.note(`workspace ${workspace.name} updated`)
      if (texts.length > 0) terminal.hint('programs get them in the workspace with: keyhold run -- COMMAND')
    }),
})
