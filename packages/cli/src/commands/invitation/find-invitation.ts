import type { Invitation } from '@keyhold/contract/api/invitations'
import type { Keyhold } from '@keyhold/sdk'
import { Failure } from '../../failure.ts'
import { shownTime } from '../../present.ts'
import type { Terminal } from '../../terminal.ts'

export const invitationArgument = {
  name: 'INVITATION',
  summary: 'e-mail address, or id',
} as const

/** The server may have to wait for the mail server. */
export const MAIL_DEADLINE_MS = 60_000

/** Finds an invitation that was not accepted, by e-mail address or id. @throws Failure, KeyholdError */
export async function findInvitation(keyhold: Keyhold, wanted: string): Promise<Invitation> {
  const { invitations } = await keyhold.call('invitation.list')
  const found = invitations.find(
    ({ id, email, status }) =>
      status !== 'accepted' && (id === wanted || email.toLowerCase() === wanted.toLowerCase()),
  )
  if (found !== undefined) return found
  throw new Failure(`no open invitation of ${wanted} (invitation.not_found)`, {
    hints: ['the invitations: keyhold invitation list'],
  })
}

/** Says where the link is: printed, or mailed. */
export function handOver(
  terminal: Terminal,
  { invitation, link }: { invitation: Invitation; link: string | null },
): void {
  const { email, expiresAt } = invitation
  if (link === null) {
    terminal.note(`${email} is invited, by a mail with a link that works once, until ${shownTime(expiresAt)}`)
    return
  }
  terminal.print(link)
  terminal.note(
    `${email} is invited; the link is shown this once, and works once, until ${shownTime(expiresAt)}`,
  )
  terminal.hint('whoever has the link can make the account: hand it over where nobody else reads it')
  terminal.hint('it opens in a browser, or with: keyhold accept-invitation')
}
