import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { sayEmpty } from '../../present.ts'
import { findTemplate, shownNeed, templateArgument } from './template-options.ts'

export const command = defineCommand({
  usage: 'TEMPLATE [--json]',
  arguments: [templateArgument],
  options: { json: jsonOption },
  examples: [{ does: 'see which secrets a template needs', command: 'keyhold template show node' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const template = await findTemplate(keyhold, args[0] ?? '')
      if (options.json) return terminal.printJson(template)
      if (template.needs.length === 0)
        return sayEmpty(
          terminal,
          `template ${template.name} needs no secrets`,
          `name some: keyhold template update ${template.name} --need=GITHUB_TOKEN`,
        )
      terminal.printTable(['NAME', 'NEEDED', 'DESCRIPTION'], template.needs.map(shownNeed))
      terminal.hint(`make a workspace from it: keyhold workspace create NAME --template=${template.name}`)
    }),
})
