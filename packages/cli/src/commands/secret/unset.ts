import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { Failure } from '../../failure.ts'
import { confirmed, yesOption } from '../../present.ts'
import { environmentOption, sameEnvironment } from '../environment/find-environment.ts'
import { findProject, projectOption } from '../project/find-project.ts'
import { DEFAULT_ENVIRONMENT, findSecret } from './find-secret.ts'
import { assertPersonal, findPersonalSecret, personalOption } from './personal-secret.ts'
import { warnOfReferences } from './references.ts'

export const command = defineCommand({
  usage: 'NAME [--environment=ENVIRONMENT] [--project=PROJECT | --personal] [--yes]',
  description:
    'Deletes the secret of exactly this environment, with its versions. No access key may do this.',
  arguments: [{ name: 'NAME', summary: 'name of the secret' }],
  options: {
    environment: environmentOption,
    project: projectOption,
    personal: personalOption,
    yes: yesOption,
  },
  examples: [
    {
      does: 'delete the value of an environment',
      command: 'keyhold secret unset API_KEY --environment=staging',
    },
  ],
  run: ({ options, args, env, terminal }) => {
    const [name = ''] = args
    if (options.personal) {
      assertPersonal(options, env)
      return connected(env, 'person', async (keyhold) => {
        const secret = await findPersonalSecret(keyhold, name)
        confirmed(terminal, options.yes, `delete your secret ${secret.name}, with its versions?`)
        await keyhold.call('personal-secret.delete', { params: { personalSecretId: secret.id } })
        terminal.note(`your secret ${secret.name} deleted`)
      })
    }
    return connected(env, 'person', async (keyhold) => {
      const environment = options.environment ?? keyhold.environment ?? DEFAULT_ENVIRONMENT
      const project = await findProject(keyhold, options.project)
      const secret = await findSecret(keyhold, project.id, name, environment)
      if (!sameEnvironment(secret.environment, environment)) {
        throw new Failure(
          `${environment} has no ${name} of its own; it takes the one of ${secret.environment}`,
          {
            hints: [`to delete that one: keyhold secret unset ${name} --environment=${secret.environment}`],
          },
        )
      }
      await warnOfReferences(keyhold, terminal, project.id, secret.environment, name)
      confirmed(
        terminal,
        options.yes,
        `delete ${name} from ${environment} of ${project.name}, with its versions?`,
      )
      await keyhold.call('secret.delete', { params: { projectId: project.id, secretId: secret.id } })
      terminal.note(`${name} deleted from ${environment} of ${project.name}`)
    })
  },
})
