import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { sayEmpty, shownTime, shownTimeOr } from '../../present.ts'

export const command = defineCommand({
  usage: '[--sort=FIELD] [--json]',
  description:
    'Tokens that were not used for 90 days, or are due for rotation, are marked: delete them, or make new ones.',
  options: {
    sort: {
      type: 'string',
      placeholder: 'FIELD',
      summary: 'newest first; for expiresAt soonest first',
      choices: ['createdAt', 'lastUsedAt', 'expiresAt'],
    },
    json: jsonOption,
  },
  examples: [{ does: 'review which tokens are in use', command: 'keyhold token list --sort=lastUsedAt' }],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const sort = options.sort as 'createdAt' | 'lastUsedAt' | 'expiresAt' | undefined // `as`: one of the choices.
      const { accessTokens } = await keyhold.call('access-token.list', {
        query: sort === undefined ? {} : { sort },
      })
      if (options.json) return terminal.printJson(accessTokens)
      if (accessTokens.length === 0) {
        return sayEmpty(terminal, 'you have no access tokens', 'create one: keyhold token create NAME')
      }
      terminal.printTable(
        ['NAME', 'TOKEN', 'CREATED', 'LAST USED', 'EXPIRES', 'SCOPES', 'ID', 'NOTE'],
        accessTokens.map((token) => [
          token.name,
          token.partialToken,
          shownTime(token.createdAt),
          shownTimeOr(token.lastUsedAt, 'Never'),
          shownTimeOr(token.expiresAt, 'No expiry'),
          token.scopes === null ? 'all rights' : token.scopes.join(' '),
          token.id,
          [
            token.status === 'expired' ? 'expired' : '',
            token.isUnused ? 'unused for 90 days' : '',
            token.isRotationDue ? 'due for rotation' : '',
          ]
            .filter(Boolean)
            .join(', '),
        ]),
      )
    }),
})
