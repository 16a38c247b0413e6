import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { sayEmpty, shownTimeOr } from '../../present.ts'

export const command = defineCommand({
  usage: '[--json]',
  description: 'Tokens are never shown. One that is refreshed has no end to care about.',
  options: { json: jsonOption },
  examples: [{ does: 'see what git can use in your workspaces', command: 'keyhold repository list' }],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { connections } = await keyhold.call('repository.list')
      if (options.json) return terminal.printJson(connections)
      if (connections.length === 0)
        return sayEmpty(
          terminal,
          'you are connected to no code repositories',
          'connect one: keyhold repository connect github.com',
        )
      terminal.printTable(
        ['HOST', 'METHOD', 'ACCOUNT', 'SCOPES', 'LAST USED', 'ENDS', 'ID', 'NOTE'],
        connections.map((one) => [
          one.host,
          one.method,
          one.login ?? '',
          one.scopes.join(' '),
          shownTimeOr(one.lastUsedAt, 'Never'),
          one.method === 'ssh' || one.isRefreshable ? '' : shownTimeOr(one.tokenExpiresAt, 'No expiry'),
          one.id,
          one.method === 'ssh' ? `public key at ${one.sshKeysUrl}` : (one.health.reason ?? ''),
        ]),
      )
    }),
})
