import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { findInvitation, handOver, invitationArgument, MAIL_DEADLINE_MS } from './find-invitation.ts'

export const command = defineCommand({
  usage: 'INVITATION [--json]',
  description:
    'For administrators. Sends an invitation again, with a new link for 7 days; the old link stops working. Whoever does so\n' +
    'answers for the invitation from then on.',
  arguments: [invitationArgument],
  options: { json: jsonOption },
  examples: [{ does: 'send it again', command: 'keyhold invitation resend ada@example.com' }],
  run: ({ options, args, env, terminal }) =>
    connected(
      env,
      'person',
      async (keyhold) => {
        const { id: invitationId } = await findInvitation(keyhold, args[0] ?? '')
        const made = await keyhold.call('invitation.renew', { params: { invitationId } })
        if (options.json) return terminal.printJson(made)
        handOver(terminal, made)
      },
      { deadlineMs: MAIL_DEADLINE_MS },
    ),
})
