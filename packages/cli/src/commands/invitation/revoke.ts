import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { confirmed, yesOption } from '../../present.ts'
import { findInvitation, invitationArgument } from './find-invitation.ts'

export const command = defineCommand({
  usage: 'INVITATION [--yes]',
  description: 'For administrators. The link stops working at once.',
  arguments: [invitationArgument],
  options: { yes: yesOption },
  examples: [{ does: 'take an invitation back', command: 'keyhold invitation revoke ada@example.com' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { id: invitationId, email } = await findInvitation(keyhold, args[0] ?? '')
      confirmed(terminal, options.yes, `take back the invitation of ${email}?`)
      await keyhold.call('invitation.revoke', { params: { invitationId } })
      terminal.note(`${email} is no longer invited`)
    }),
})
