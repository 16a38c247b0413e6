import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { findTemplate, templateArgument } from './template-options.ts'

export const command = defineCommand({
  usage: 'TEMPLATE',
  description:
    'Prints what the template needs in the form of a devcontainer.json, which keyhold template create --devcontainer reads. It has\n' +
    'names and descriptions, and no values: templates have none.',
  arguments: [templateArgument],
  options: {},
  examples: [{ does: 'keep it with the code', command: 'keyhold template export node > devcontainer.json' }],
  run: ({ args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { name, needs } = await findTemplate(keyhold, args[0] ?? '')
      const required = needs.filter(({ isRequired }) => isRequired).map((need) => need.name)
      const secrets = needs.map(({ name: secret, description, documentationUrl }) => [
        secret,
        {
          ...(description !== '' && { description }),
          ...(documentationUrl !== null && { documentationUrl }),
        },
      ])
      terminal.printJson({
        name,
        secrets: Object.fromEntries(secrets),
        ...(required.length > 0 && { customizations: { keyhold: { required } } }),
      })
    }),
})
