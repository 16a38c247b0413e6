import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { shownPlacement } from './api-key-options.ts'

export const command = defineCommand({
  usage: '[--json]',
  description:
    'Lists services whose hosts and placement are known. --service=ID fills them in when a key is made.',
  options: { json: jsonOption },
  examples: [{ does: 'see which services are known', command: 'keyhold api-key presets' }],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { presets } = await keyhold.call('api-key.presets')
      if (options.json) return terminal.printJson(presets)
      terminal.printTable(
        ['ID', 'SERVICE', 'URL', 'HOSTS', 'CARRIED AS', 'NOTE'],
        presets.map((preset) => [
          preset.id,
          preset.name,
          preset.baseUrl,
          preset.allowedHosts.join(' '),
          shownPlacement(preset.placement),
          preset.note,
        ]),
      )
    }),
})
