import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { sayEmpty, shownTimeOr } from '../../present.ts'
import { shownPlacement } from './api-key-options.ts'

export const command = defineCommand({
  usage: '[--json]',
  description:
    'Lists the keys that outside services gave you, and where they may go. No command shows a key again.',
  options: { json: jsonOption },
  examples: [{ does: 'review which keys are in use', command: 'keyhold api-key list' }],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { apiKeys } = await keyhold.call('api-key.list')
      if (options.json) return terminal.printJson(apiKeys)
      if (apiKeys.length === 0) {
        return sayEmpty(
          terminal,
          'you have no API keys',
          'add one: keyhold api-key create NAME --service=openai',
        )
      }
      terminal.printTable(
        [
          'NAME',
          'SERVICE',
          'HOSTS',
          'CARRIED AS',
          'LIMITED TO',
          'VERSION',
          'LAST USED',
          'EXPIRES',
          'STATUS',
          'DESCRIPTION',
        ],
        apiKeys.map((key) => [
          key.name,
          key.service,
          key.allowedHosts.join(' '),
          shownPlacement(key.placement),
          [...(key.allowedMethods ?? []), ...(key.allowedPaths ?? [])].join(' '),
          String(key.version),
          shownTimeOr(key.lastUsedAt, 'Never'),
          shownTimeOr(key.expiresAt, 'No expiry'),
          key.status,
          key.description,
        ]),
      )
    }),
})
