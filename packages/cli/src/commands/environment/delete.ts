import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { confirmTyped } from '../../present.ts'
import { findProject, projectOption } from '../project/find-project.ts'
import { warnOfReferences } from '../secret/references.ts'
import { findEnvironment } from './find-environment.ts'

export const command = defineCommand({
  usage: 'ENVIRONMENT [--project=PROJECT] [--confirm=NAME]',
  description: 'Its own secrets go with it. You are asked to type its name.',
  arguments: [{ name: 'ENVIRONMENT', summary: 'name or id' }],
  options: {
    project: projectOption,
    confirm: { type: 'string', placeholder: 'NAME', summary: 'its name, exactly, in place of being asked' },
  },
  examples: [
    {
      does: 'delete an environment in a script',
      command: 'keyhold environment delete staging --confirm=staging',
    },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [wanted = ''] = args
      const project = await findProject(keyhold, options.project)
      const environment = await findEnvironment(keyhold, project.id, wanted)
      await warnOfReferences(keyhold, terminal, project.id, environment.name, undefined)
      confirmTyped(
        terminal,
        options.confirm,
        environment.name,
        `environment ${environment.name} of ${project.name} will be deleted, with its secrets`,
      )
      await keyhold.call('environment.delete', {
        params: { projectId: project.id, environmentId: environment.id },
        query: { confirm: environment.name },
      })
      terminal.note(`environment ${environment.name} deleted`)
    }),
})
