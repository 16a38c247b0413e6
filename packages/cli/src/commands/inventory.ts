import { connected } from '../client.ts'
import { defineCommand, jsonOption } from '../command.ts'
import { sayEmpty, shownTime, shownTimeOr } from '../present.ts'

/** How the kinds are called on the Security page, in the singular. */
const kinds = {
  'repository-connection': 'code repository',
  'personal-secret': 'personal secret',
  'ssh-key': 'SSH key',
  'ssh-identity': 'SSH identity',
  'api-key': 'API key',
  'gpg-key': 'GPG key',
  'access-token': 'access token',
  'access-key': 'access key',
  secret: 'secret of a project',
  'workspace-secret': 'secret of a workspace',
} as const

export const command = defineCommand({
  usage: '[--attention] [--json]',
  description: `Lists what Keyhold keeps for you, of every kind, and the access keys of your projects: what it is for, how far it
reaches, when it was last used and when it expires. What expires soonest comes first.`,
  options: {
    attention: {
      type: 'boolean',
      summary: 'only what expires soon or has expired, is broken, unused for 90 days or due for rotation',
    },
    json: jsonOption,
  },
  examples: [
    { does: 'see everything you have', command: 'keyhold inventory' },
    { does: 'see what to tidy up', command: 'keyhold inventory --attention' },
  ],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { credentials } = await keyhold.call('credential.list')
      const shown = options.attention
        ? credentials.filter(
            (one) =>
              one.isExpiringSoon ||
              one.isRotationDue ||
              one.isUnused ||
              one.status === 'expired' ||
              one.status === 'broken',
          )
        : credentials
      if (options.json) return terminal.printJson(shown)
      if (shown.length === 0) {
        return credentials.length === 0
          ? sayEmpty(terminal, 'you have no credentials', 'see "keyhold help" for what Keyhold keeps')
          : sayEmpty(terminal, 'nothing needs your attention', 'all of them: keyhold inventory')
      }
      terminal.printTable(
        ['KIND', 'NAME', 'USED IN', 'ACCESS', 'CREATED', 'LAST USED', 'EXPIRES', 'NOTE'],
        shown.map((one) => [
          kinds[one.kind],
          one.name,
          one.usedIn,
          one.accessLevel ?? '',
          shownTime(one.createdAt),
          shownTimeOr(one.lastUsedAt, 'Never'),
          shownTimeOr(one.expiresAt, 'No expiry'),
          [
            one.status === 'active' ? '' : one.status,
            one.isExpiringSoon ? 'expires soon' : '',
            one.isRotationDue ? 'due for rotation' : '',
            one.isUnused ? 'unused for 90 days' : '',
          ]
            .filter(Boolean)
            .join(', '),
        ]),
      )
    }),
})
