import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { confirmed, yesOption } from '../../present.ts'
import { environmentOption } from '../environment/find-environment.ts'
import { findProject, projectOption } from '../project/find-project.ts'
import { DEFAULT_ENVIRONMENT, findSecret } from '../secret/find-secret.ts'

export const command = defineCommand({
  usage: 'NAME [--environment=ENVIRONMENT] [--project=PROJECT] [--yes]',
  description:
    'Removes your own value for the secret in exactly this environment, so that you get the project’s again. It is not kept.',
  arguments: [{ name: 'NAME', summary: 'name of the secret' }],
  options: { environment: environmentOption, project: projectOption, yes: yesOption },
  examples: [
    {
      does: 'use the database of staging again',
      command: 'keyhold secret-override unset DATABASE_URL --environment=staging',
    },
  ],
  run: ({ options, args, env, terminal }) => {
    const [name = ''] = args
    return connected(env, 'person', async (keyhold) => {
      const environment = options.environment ?? keyhold.environment ?? DEFAULT_ENVIRONMENT
      const project = await findProject(keyhold, options.project)
      const { id: secretId } = await findSecret(keyhold, project.id, name, environment)
      confirmed(
        terminal,
        options.yes,
        `remove your own value for ${name} in ${environment} of ${project.name}?`,
      )
      await keyhold.call('secret-override.delete', {
        params: { projectId: project.id, secretId },
        query: { environment },
      })
      terminal.note(`your own value for ${name} in ${environment} of ${project.name} removed`)
    })
  },
})
