import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { sayEmpty, shownTime, shownTimeOr } from '../../present.ts'

export const command = defineCommand({
  usage: '[--json]',
  description: 'Passkeys are added in a browser, which is where authenticators are.',
  options: { json: jsonOption },
  examples: [{ does: 'see which passkeys are in use', command: 'keyhold passkey list' }],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { passkeys } = await keyhold.call('passkey.list')
      if (options.json) return terminal.printJson(passkeys)
      if (passkeys.length === 0)
        return sayEmpty(
          terminal,
          'you have no passkeys',
          'with an authenticator: keyhold second-factor enable',
        )
      terminal.printTable(
        ['NAME', 'ADDED', 'LAST USED', 'SYNCED', 'REACHED BY', 'ID'],
        passkeys.map((passkey) => [
          passkey.name,
          shownTime(passkey.createdAt),
          shownTimeOr(passkey.lastUsedAt, 'Never'),
          passkey.isSynced ? 'yes' : 'no',
          passkey.transports.join(' '),
          passkey.id,
        ]),
      )
    }),
})
