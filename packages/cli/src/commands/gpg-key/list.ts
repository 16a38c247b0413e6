import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { sayEmpty, shownTime, shownTimeOr } from '../../present.ts'

export const command = defineCommand({
  usage: '[--json]',
  options: { json: jsonOption },
  examples: [{ does: 'see which keys sign your commits', command: 'keyhold gpg-key list' }],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { gpgKeys } = await keyhold.call('gpg-key.list')
      if (options.json) return terminal.printJson(gpgKeys)
      if (gpgKeys.length === 0) {
        return sayEmpty(
          terminal,
          'you have no GPG keys',
          'make one: keyhold gpg-key create',
          'or bring yours: keyhold gpg-key import FILE',
        )
      }
      terminal.printTable(
        ['KEY', 'ALGORITHM', 'E-MAIL', 'CREATED', 'LAST USED', 'EXPIRES', 'DEPLOYED TO', 'NOTE'],
        gpgKeys.map((key) => [
          key.keyId,
          key.algorithm,
          key.email,
          shownTime(key.createdAt),
          shownTimeOr(key.lastUsedAt, 'Never'),
          shownTimeOr(key.expiresAt, 'No expiry'),
          key.deployments
            .filter(({ status }) => status === 'published')
            .map(({ provider }) => provider)
            .join(', '),
          key.status === 'expired' ? 'expired' : '',
        ]),
      )
    }),
})
