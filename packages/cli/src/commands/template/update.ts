import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { usageFailure } from '../../failure.ts'
import { findTemplate, hasNeeds, needOptions, readNeeds, templateArgument } from './template-options.ts'

export const command = defineCommand({
  usage:
    'TEMPLATE [--name=NAME] [--description=TEXT] [--need=NAME[=DESCRIPTION]]… [--required=NAME]… [--devcontainer=FILE] [--no-needs]',
  description:
    'The secrets that are given take the place of all that it needed. Workspaces that were made from it keep what they have.',
  arguments: [templateArgument],
  options: {
    name: { type: 'string', placeholder: 'NAME', summary: 'new name' },
    description: { type: 'string', placeholder: 'TEXT', summary: 'new description' },
    ...needOptions,
    'no-needs': { type: 'boolean', summary: 'it needs no secrets any more' },
    json: jsonOption,
  },
  examples: [
    {
      does: 'read the file anew',
      command: 'keyhold template update node --devcontainer=.devcontainer/devcontainer.json',
    },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { name, description, 'no-needs': hasNone } = options
      const changesNeeds = hasNeeds(options)
      if (hasNone && changesNeeds) throw usageFailure('--no-needs goes with no other secrets')
      if (name === undefined && description === undefined && !changesNeeds && !hasNone)
        throw usageFailure('there is nothing to change', 'see keyhold template update --help')
      const { id } = await findTemplate(keyhold, args[0] ?? '')
      const template = await keyhold.call('template.update', {
        params: { templateId: id },
        body: {
          ...(name !== undefined && { name }),
          ...(description !== undefined && { description }),
          ...((changesNeeds || hasNone) && readNeeds(options)),
        },
      })
      if (options.json) return terminal.printJson(template)
      terminal.note(`template ${template.name} updated`)
    }),
})
