import type { ShareLevel } from '@keyhold/contract/api/workspaces'
import { type Keyhold, KeyholdError } from '@keyhold/sdk'
import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { Failure, usageFailure } from '../../failure.ts'
import { findWorkspace, shownLevel } from '../workspace/find-workspace.ts'
import { levelOption, levelsDescription, warnOfAdmin } from './find-share.ts'

export const command = defineCommand({
  usage: 'WORKSPACE EMAIL --level=LEVEL',
  description: levelsDescription,
  arguments: [
    { name: 'WORKSPACE', summary: 'name or id' },
    { name: 'EMAIL', summary: 'e-mail address of the account' },
  ],
  options: { level: levelOption, json: jsonOption },
  examples: [
    { does: 'let somebody look', command: 'keyhold share add api ada@example.com --level=view' },
    { does: 'let somebody work in it', command: 'keyhold share add api ada@example.com --level=edit' },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [wanted = '', email = ''] = args
      if (options.level === undefined) throw usageFailure('--level is missing')
      const workspace = await findWorkspace(keyhold, wanted)
      const share = await keyhold
        .call('share.create', {
          params: { workspaceId: workspace.id },
          body: { email, level: options.level as ShareLevel }, // `as`: one of the choices.
        })
        .catch((error: unknown) => explainNoAccount(keyhold, email, error))
      if (share.level === 'admin') warnOfAdmin(terminal, share.person.name)
      if (options.json) return terminal.printJson(share)
      terminal.note(`${workspace.name} shared with ${share.person.name} as ${shownLevel[share.level]}`)
    }),
})

/** Whether somebody was invited only administrators may know. @throws always */
async function explainNoAccount(keyhold: Keyhold, email: string, error: unknown): Promise<never> {
  if (!(error instanceof KeyholdError) || error.code !== 'account.not_found') throw error
  const isInvited = await keyhold.call('invitation.list').then(
    ({ invitations }) => invitations.some((one) => one.email.toLowerCase() === email.toLowerCase()),
    () => false,
  )
  if (isInvited)
    throw new Failure(`${email} was invited and has not accepted yet (account.not_found)`, {
      hints: [`share again once they have; send the link anew: keyhold invitation resend ${email}`],
    })
  throw new Failure(`there is no account ${email} (account.not_found)`, {
    hints: [
      `an administrator can invite them: keyhold invitation create ${email}`,
      'somebody who was invited has an account once they have accepted',
    ],
  })
}
