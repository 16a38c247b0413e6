import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { environmentOption } from '../environment/find-environment.ts'
import { findProject, projectOption } from '../project/find-project.ts'
import { DEFAULT_ENVIRONMENT, findSecret } from '../secret/find-secret.ts'
import { readSecretValue, wireValue } from '../secret/secret-value.ts'

export const command = defineCommand({
  usage: 'NAME [--environment=ENVIRONMENT] [--project=PROJECT] [--file=PATH] [--json]',
  description:
    'Sets a value of your own for a secret that the project has: "keyhold run --project" and "keyhold secret get" give it to\n' +
    'you, and to nobody else; machines and other people get the project’s as before, and do not see that you have one. In an\n' +
    'environment that takes the secret from All it is for that environment only; in All it goes to all of those.\n\n' +
    `The value comes from standard input, byte for byte, or from a prompt when that is a terminal. A \${NAME} in it stands for\n` +
    'nothing, and where other secrets refer to this one, they have the project’s value.',
  arguments: [{ name: 'NAME', summary: 'name of a secret that the environment has or takes from All' }],
  options: {
    environment: environmentOption,
    project: projectOption,
    file: { type: 'string', placeholder: 'PATH', summary: 'take the value from this file' },
    json: jsonOption,
  },
  examples: [
    {
      does: 'use a database of your own in staging; type its address, unseen',
      command: 'keyhold secret-override set DATABASE_URL --environment=staging',
    },
  ],
  run: ({ options, args, env, terminal }) => {
    const [name = ''] = args
    return connected(env, 'person', async (keyhold) => {
      const environment = options.environment ?? keyhold.environment ?? DEFAULT_ENVIRONMENT
      const { id: projectId } = await findProject(keyhold, options.project)
      const { id: secretId } = await findSecret(keyhold, projectId, name, environment)
      const value = wireValue(await readSecretValue(terminal, name, options.file))
      const override = await keyhold.call('secret-override.set', {
        params: { projectId, secretId },
        body: { ...value, environment },
      })
      if (options.json) terminal.printJson(override)
      else terminal.note(`you have a value of your own for ${name} in ${override.environment} now`)
      if (!override.isMasked)
        terminal.note('warning: the value is short or an ordinary word, so it is not taken out of logs')
    })
  },
})
