import { workspaceSecretPresets } from '@keyhold/contract/workspace-secret-presets'
import { defineCommand, jsonOption } from '../../command.ts'

export const command = defineCommand({
  usage: '[--json]',
  description: 'A secret that is set under one of these names gets its type and description from here.',
  options: { json: jsonOption },
  examples: [{ does: 'see what workspaces often need', command: 'keyhold workspace-secret presets' }],
  run: async ({ options, terminal }) => {
    if (options.json) return terminal.printJson(workspaceSecretPresets)
    terminal.printTable(
      ['NAME', 'TYPE', 'PURPOSE'],
      workspaceSecretPresets.map(({ name, type, description }) => [name, type, description]),
    )
  },
})
