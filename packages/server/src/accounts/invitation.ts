import type { Invitation as InvitationAnswer } from '@keyhold/contract/api/invitations'
import type { ProjectRole } from '@keyhold/contract/api/projects'
import type { Secret } from '@keyhold/contract/secret'
import { toDate } from '../base/clock.ts'
import type { Message } from '../base/mailer.ts'
import type { Tables } from '../storage/tables.ts'

/** A project that somebody will be a member of. */
export interface MembershipWish {
  readonly projectId: string
  readonly role: ProjectRole
}

export interface Invitation {
  readonly id: string
  readonly email: string
  readonly role: 'admin' | 'member'
  readonly projects: readonly MembershipWish[]
  readonly inviter: { readonly id: string; readonly name: string }
  readonly createdAt: Date
  readonly expiresAt: Date
  readonly mailedAt: Date | null
  readonly acceptedAt: Date | null
}

export type InvitationRow = Omit<Tables['invitations'], 'token_hash' | 'open_email_key'> & {
  readonly inviter_name: string
}

export function rowToInvitation(row: InvitationRow): Invitation {
  return {
    id: row.id,
    email: row.email,
    role: row.role,
    projects: JSON.parse(row.projects) as MembershipWish[], // `as`: written by the service.
    inviter: { id: row.invited_by, name: row.inviter_name },
    createdAt: new Date(row.created_at),
    expiresAt: new Date(row.expires_at),
    mailedAt: toDate(row.mailed_at),
    acceptedAt: toDate(row.accepted_at),
  }
}

export function invitationAnswer(invitation: Invitation, now: Date): InvitationAnswer {
  const { id, email, role, projects, inviter, acceptedAt, expiresAt } = invitation
  return {
    id,
    email,
    role,
    projects: [...projects],
    invitedBy: inviter.name,
    createdAt: invitation.createdAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
    mailedAt: invitation.mailedAt?.toISOString() ?? null,
    acceptedAt: acceptedAt?.toISOString() ?? null,
    status: acceptedAt ? 'accepted' : expiresAt <= now ? 'expired' : 'open',
  }
}

/** The token stands after the #, which browsers do not send: it reaches no log and no proxy, and no preview uses it up. */
export const invitationLink = (publicUrl: string, token: Secret<string>): string =>
  `${publicUrl}/invite#token=${token.reveal()}`

export function invitationMail(invitation: Invitation, publicUrl: string, link: string): Message {
  return {
    to: invitation.email,
    subject: `${invitation.inviter.name} invites you to Keyhold`,
    text: `${invitation.inviter.name} invites you to Keyhold at ${publicUrl}, where secrets are kept.

Open this address to choose your name and password:

  ${link}

or, with the command line: keyhold accept-invitation

It works once, until ${invitation.expiresAt.toISOString().slice(0, 16).replace('T', ' ')} UTC. Whoever has it can make the account in
your place, so give it to nobody. If you do not know what this is about, do nothing.
`,
  }
}
