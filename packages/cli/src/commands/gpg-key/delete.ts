import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { confirmed, yesOption } from '../../present.ts'
import { findGpgKey, keyArgument } from './find-gpg-key.ts'

export const command = defineCommand({
  usage: 'KEY [--yes]',
  description:
    'Nothing signs with it any more, and it is removed from the code hosts it was deployed to: there, commits signed with\n' +
    'it are no longer shown as verified. The private key cannot be brought back.',
  arguments: [keyArgument],
  options: { yes: yesOption },
  examples: [{ does: 'delete a key', command: 'keyhold gpg-key delete ann@example.com' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const key = await findGpgKey(keyhold, args[0] ?? '')
      confirmed(terminal, options.yes, `delete GPG key ${key.keyId} of ${key.userIds.join(', ')}?`)
      const { removals } = await keyhold.call('gpg-key.delete', { params: { gpgKeyId: key.id } })
      terminal.note(`GPG key ${key.keyId} deleted`)
      for (const { provider, status, reason } of removals) {
        if (status === 'removed') terminal.note(`removed from ${provider}`)
        else
          terminal.note(
            `still at ${provider}: ${reason ?? 'it could not be removed'}; remove it there by hand`,
          )
      }
    }),
})
