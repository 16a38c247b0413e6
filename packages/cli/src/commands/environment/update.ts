import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { usageFailure } from '../../failure.ts'
import { findProject, projectOption } from '../project/find-project.ts'
import { warnOfReferences } from '../secret/references.ts'
import { findEnvironment, sameEnvironment } from './find-environment.ts'

export const command = defineCommand({
  usage: 'ENVIRONMENT [--name=NAME] [--description=TEXT] [--external-url=URL] [--project=PROJECT]',
  description: 'An empty --external-url= takes the address away.',
  arguments: [{ name: 'ENVIRONMENT', summary: 'name or id' }],
  options: {
    name: { type: 'string', placeholder: 'NAME', summary: 'new name' },
    description: { type: 'string', placeholder: 'TEXT', summary: 'new description' },
    'external-url': { type: 'string', placeholder: 'URL', summary: 'where what runs in it can be seen' },
    project: projectOption,
    json: jsonOption,
  },
  examples: [{ does: 'rename an environment', command: 'keyhold environment update staging --name=test' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [wanted = ''] = args
      const { name, description, 'external-url': externalUrl } = options
      if (name === undefined && description === undefined && externalUrl === undefined) {
        throw usageFailure('nothing to change', 'give --name, --description or --external-url')
      }
      const { id: projectId } = await findProject(keyhold, options.project)
      const before = await findEnvironment(keyhold, projectId, wanted)
      const environmentId = before.id
      if (name !== undefined && !sameEnvironment(name, before.name))
        await warnOfReferences(keyhold, terminal, projectId, before.name, undefined)
      const environment = await keyhold.call('environment.update', {
        params: { projectId, environmentId },
        body: {
          ...(name !== undefined && { name }),
          ...(description !== undefined && { description }),
          ...(externalUrl !== undefined && { externalUrl: externalUrl === '' ? null : externalUrl }),
        },
      })
      if (options.json) return terminal.printJson(environment)
      terminal.note(`environment ${environment.name} updated`)
    }),
})
