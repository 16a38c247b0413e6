import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { findProject, projectOption } from '../project/find-project.ts'

export const command = defineCommand({
  usage: 'NAME [--description=TEXT] [--external-url=URL] [--project=PROJECT]',
  arguments: [{ name: 'NAME', summary: 'letters, digits, _ and -' }],
  options: {
    description: { type: 'string', placeholder: 'TEXT', summary: 'what the environment is for' },
    'external-url': { type: 'string', placeholder: 'URL', summary: 'where what runs in it can be seen' },
    project: projectOption,
    json: jsonOption,
  },
  examples: [{ does: 'create an environment', command: 'keyhold environment create staging' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [name = ''] = args
      const { description, 'external-url': externalUrl } = options
      const project = await findProject(keyhold, options.project)
      const environment = await keyhold.call('environment.create', {
        params: { projectId: project.id },
        body: {
          name,
          ...(description !== undefined && { description }),
          ...(externalUrl !== undefined && { externalUrl }),
        },
      })
      if (options.json) return terminal.printJson(environment)
      terminal.note(`environment ${environment.name} created in ${project.name}`)
      terminal.hint(`give it values of its own: keyhold secret set NAME --environment=${environment.name}`)
    }),
})
