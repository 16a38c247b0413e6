import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { sayEmpty } from '../../present.ts'

export const command = defineCommand({
  usage: '[--json]',
  options: { json: jsonOption },
  examples: [{ does: 'see what workspaces can start from', command: 'keyhold template list' }],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { templates } = await keyhold.call('template.list')
      if (options.json) return terminal.printJson(templates)
      if (templates.length === 0)
        return sayEmpty(
          terminal,
          'there is no template',
          'create one: keyhold template create NAME --need=GITHUB_TOKEN',
        )
      terminal.printTable(
        ['NAME', 'NEEDS', 'OWNER', 'DESCRIPTION', 'ID'],
        templates.map(({ name, needs, owner, description, id }) => [
          name,
          needs.map((need) => need.name).join(' '),
          owner.name,
          description,
          id,
        ]),
      )
    }),
})
