import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { confirmed, yesOption } from '../../present.ts'

export const command = defineCommand({
  usage: '[--yes]',
  description: 'Your workspaces no longer log in anywhere with it. It cannot be brought back.',
  options: { yes: yesOption },
  examples: [{ does: 'delete your identity', command: 'keyhold identity delete' }],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const identity = await keyhold.call('ssh-identity.get')
      confirmed(terminal, options.yes, `delete SSH identity ${identity.publicKeyFingerprint}?`)
      await keyhold.call('ssh-identity.delete')
      terminal.note(`SSH identity ${identity.publicKeyFingerprint} deleted`)
      terminal.hint('remove its public key from the hosts that know it')
    }),
})
