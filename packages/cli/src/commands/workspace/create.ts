import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { findTemplate, sayNeeds } from '../template/template-options.ts'
import { environmentOption, readEnvironments } from './find-workspace.ts'

export const command = defineCommand({
  usage: 'NAME [--description=TEXT] [--environment=PROJECT/ENVIRONMENT]… [--template=TEMPLATE]',
  description: 'You become its owner. The id is printed on standard output.',
  arguments: [{ name: 'NAME', summary: 'name of the workspace' }],
  options: {
    description: { type: 'string', placeholder: 'TEXT', summary: 'what the workspace is for' },
    environment: environmentOption,
    template: {
      type: 'string',
      placeholder: 'TEMPLATE',
      summary: 'name or id of a template, which says which secrets are needed',
    },
    json: jsonOption,
  },
  examples: [
    { does: 'create a workspace', command: 'keyhold workspace create api --description="the API"' },
    {
      does: 'of a template, which names the secrets that are needed',
      command: 'keyhold workspace create api --template=node',
    },
    {
      does: 'with the secrets of an environment',
      command: 'keyhold workspace create api --environment=shop/development',
    },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [name = ''] = args
      const { description } = options
      const environments = await readEnvironments(keyhold, options.environment)
      const template =
        options.template === undefined ? undefined : await findTemplate(keyhold, options.template)
      const workspace = await keyhold.call('workspace.create', {
        body: {
          name,
          ...(description !== undefined && { description }),
          environments,
          ...(template && { templateId: template.id }),
        },
      })
      if (options.json) return terminal.printJson(workspace)
      terminal.note(`workspace ${workspace.name} created`)
      if (template)
        sayNeeds(
          terminal,
          name,
          await keyhold.call('workspace.needs', { params: { workspaceId: workspace.id } }),
        )
      terminal.hint(`let a machine join: keyhold workspace enroll ${workspace.name}`)
      terminal.print(workspace.id)
    }),
})
