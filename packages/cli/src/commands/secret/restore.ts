import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { usageFailure } from '../../failure.ts'
import { confirmed, yesOption } from '../../present.ts'
import { environmentOption } from '../environment/find-environment.ts'
import { findProject, projectOption } from '../project/find-project.ts'
import { DEFAULT_ENVIRONMENT, findSecret } from './find-secret.ts'

const usage = 'NAME --version=NUMBER [--environment=ENVIRONMENT] [--project=PROJECT] [--yes]'

export const command = defineCommand({
  usage,
  description: 'The earlier value becomes a new version; the ones between stay, and can be restored in turn.',
  arguments: [{ name: 'NAME', summary: 'name of the secret' }],
  options: {
    version: { type: 'string', placeholder: 'NUMBER', summary: 'the version whose value is wanted' },
    environment: environmentOption,
    project: projectOption,
    yes: yesOption,
  },
  examples: [
    { does: 'find the version', command: 'keyhold secret history API_TOKEN' },
    { does: 'take its value again', command: 'keyhold secret restore API_TOKEN --version=3' },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [name = ''] = args
      if (!/^[1-9]\d{0,8}$/.test(options.version ?? ''))
        throw usageFailure('--version is the number of a version', `keyhold secret restore ${usage}`)
      const version = Number(options.version)
      const environment = options.environment ?? keyhold.environment ?? DEFAULT_ENVIRONMENT
      const { id: projectId } = await findProject(keyhold, options.project)
      const before = await findSecret(keyhold, projectId, name, environment)
      confirmed(
        terminal,
        options.yes,
        `give ${name} in ${before.environment} the value of version ${version}?`,
      )
      const after = await keyhold.call('secret.restore', {
        params: { projectId, secretId: before.id },
        body: { version },
      })
      terminal.note(
        after.version === before.version
          ? `${name} has that value already`
          : `${name} in ${after.environment} has the value of version ${version} again, as version ${after.version}`,
      )
    }),
})
