import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { sayEmpty, shownTime, shownTimeOr } from '../../present.ts'

export const command = defineCommand({
  usage: '[--json]',
  options: { json: jsonOption },
  examples: [{ does: 'see which keys may enter your workspaces', command: 'keyhold ssh-key list' }],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const keys = await keyhold.call('ssh-key.list')
      if (options.json) return terminal.printJson(keys)
      if (keys.length === 0)
        return sayEmpty(
          terminal,
          'you have no SSH keys',
          'add one: keyhold ssh-key add ~/.ssh/id_ed25519.pub',
        )
      terminal.printTable(
        ['TITLE', 'TYPE', 'BITS', 'FINGERPRINT', 'CREATED', 'LAST USED', 'EXPIRES', 'NOTE'],
        keys.map((key) => [
          key.title,
          key.type,
          String(key.bits),
          key.publicKeyFingerprint,
          shownTime(key.createdAt),
          shownTimeOr(key.lastUsedAt, 'Never'),
          shownTimeOr(key.expiresAt, 'No expiry'),
          key.status === 'expired' ? 'expired' : '',
        ]),
      )
    }),
})
