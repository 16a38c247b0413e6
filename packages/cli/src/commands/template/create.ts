import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { needOptions, readNeeds } from './template-options.ts'

export const command = defineCommand({
  usage: 'NAME [--description=TEXT] [--need=NAME[=DESCRIPTION]]… [--required=NAME]… [--devcontainer=FILE]',
  description:
    'A template names secrets and has no values: whoever makes a workspace from it adds their own. Everybody can use it; you and\n' +
    'administrators can change it. What --need and --required say goes before what the file says.',
  arguments: [{ name: 'NAME', summary: 'name of the template' }],
  options: {
    description: { type: 'string', placeholder: 'TEXT', summary: 'what it is for' },
    ...needOptions,
    json: jsonOption,
  },
  examples: [
    {
      does: 'name what is needed',
      command:
        'keyhold template create node --need=GITHUB_TOKEN="GitHub API token for private repos" --required=DATABASE_URL',
    },
    {
      does: 'take it from a devcontainer.json',
      command: 'keyhold template create node --devcontainer=.devcontainer/devcontainer.json',
    },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [name = ''] = args
      const { description } = options
      const template = await keyhold.call('template.create', {
        body: { name, ...(description !== undefined && { description }), ...readNeeds(options) },
      })
      if (options.json) return terminal.printJson(template)
      terminal.note(`template ${name} created; it needs ${template.needs.length} secrets`)
      terminal.hint(`make a workspace from it: keyhold workspace create NAME --template=${name}`)
      terminal.print(template.id)
    }),
})
