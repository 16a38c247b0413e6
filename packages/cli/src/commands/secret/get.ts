import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { environmentOption } from '../environment/find-environment.ts'
import { findProject, projectOption } from '../project/find-project.ts'
import { DEFAULT_ENVIRONMENT, findSecret } from './find-secret.ts'
import { assertPersonal, findPersonalSecret, personalOption } from './personal-secret.ts'
import { printSecretValue } from './secret-value.ts'

export const command = defineCommand({
  usage: 'NAME [--environment=ENVIRONMENT] [--project=PROJECT | --personal] [--json]',
  description:
    'Prints the value alone, byte for byte; on a terminal with a newline after it. The audit log records it as accessed. To give\n' +
    'secrets to a program, "keyhold run" is better: it also takes them out of the output.',
  arguments: [{ name: 'NAME', summary: 'name of the secret' }],
  options: {
    environment: environmentOption,
    project: projectOption,
    resolve: {
      type: 'boolean',
      summary: 'with the values that its references stand for; machines always get those',
    },
    'of-project': {
      type: 'boolean',
      summary: 'the value of the project, also where you have one of your own',
    },
    personal: personalOption,
    json: jsonOption,
  },
  examples: [
    { does: 'pass a value on', command: 'keyhold secret get GITHUB_TOKEN | gh auth login --with-token' },
    {
      does: 'read the value of an environment',
      command: 'keyhold secret get DATABASE_URL --environment=staging',
    },
  ],
  run: ({ options, args, env, terminal }) => {
    const [name = ''] = args
    if (options.personal) {
      assertPersonal(options, env)
      return connected(env, 'person', async (keyhold) => {
        const { id } = await findPersonalSecret(keyhold, name)
        const params = { personalSecretId: id }
        const secret = await keyhold.call('personal-secret.reveal', { params, body: {} })
        if (options.json) return terminal.printJson(secret)
        printSecretValue(terminal, Buffer.from(secret.value, secret.encoding))
      })
    }
    return connected(env, 'any', async (keyhold) => {
      const environment = options.environment ?? keyhold.environment
      if (keyhold.credentialKind === 'access-key') {
        if (!options.json) return printSecretValue(terminal, await keyhold.getBytes(name, { environment }))
        const secret = await keyhold.call('current.secret', {
          params: { name },
          query: environment === undefined ? {} : { environment },
        })
        return terminal.printJson(secret)
      }
      const { id: projectId } = await findProject(keyhold, options.project)
      const wanted = environment ?? DEFAULT_ENVIRONMENT
      const { id: secretId, source } = await findSecret(keyhold, projectId, name, wanted)
      if (source === 'override' && !options['of-project']) {
        const override = await keyhold.call('secret-override.reveal', {
          params: { projectId, secretId },
          body: { environment: wanted },
        })
        if (options.json) return terminal.printJson({ ...override, source })
        terminal.note('this is your own value; the project’s: --of-project')
        return printSecretValue(terminal, Buffer.from(override.value, override.encoding))
      }
      const body = options.resolve ? { resolve: true, environment: wanted } : {}
      const secret = await keyhold.call('secret.reveal', { params: { projectId, secretId }, body })
      if (secret.hasReferences) terminal.note('the value has references; with what they stand for: --resolve')
      if (options.json) return terminal.printJson(secret)
      printSecretValue(terminal, Buffer.from(secret.value, secret.encoding))
    })
  },
})
