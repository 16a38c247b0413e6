import Type, { type Static } from 'typebox'
import { limits } from '../limits.ts'
import { route } from '../route.ts'
import { Account, InstanceRole } from './accounts.ts'
import { ProjectRole } from './projects.ts'
import { Email, Id, Name, Nullable, OneOf, Password, Time } from './shapes.ts'

const Membership = Type.Object({ projectId: Id, role: ProjectRole }, { additionalProperties: false })

export const Invitation = Type.Object({
  id: Id,
  email: Type.String(),
  /** On the instance. */
  role: InstanceRole,
  /** Projects that the person will be a member of. */
  projects: Type.Array(Membership),
  invitedBy: Type.String(),
  createdAt: Time,
  expiresAt: Time,
  /** When it was last mailed; `null`: it was not, and whoever made it has the link. */
  mailedAt: Nullable(Time),
  acceptedAt: Nullable(Time),
  status: OneOf(['open', 'accepted', 'expired']),
})
export type Invitation = Static<typeof Invitation>

const Made = Type.Object({
  invitation: Invitation,
  /** To hand to the person, answered once; `null` when it was mailed to them. */
  link: Nullable(Type.String()),
})
const InvitationParams = Type.Object({ invitationId: Id })
const TokenText = Type.String({
  minLength: 1,
  maxLength: 100,
  description: 'What the link has after #token=',
})

export const listInvitations = route({
  id: 'invitation.list',
  method: 'GET',
  path: '/api/v1/invitations',
  summary: 'List invitations, newest first (administrators)',
  caller: 'person',
  scope: 'accounts:read',
  action: 'invitation.list',
  status: 200,
  answer: Type.Object({ invitations: Type.Array(Invitation) }),
})

export const createInvitation = route({
  id: 'invitation.create',
  method: 'POST',
  path: '/api/v1/invitations',
  summary: 'Invite somebody who has no account, also to projects that you are Admin of (administrators)',
  caller: 'person',
  scope: 'accounts:write',
  action: 'invitation.create',
  body: Type.Object(
    {
      email: Email,
      role: Type.Optional(InstanceRole),
      projects: Type.Optional(Type.Array(Membership, { maxItems: limits.projectsPerInvitation })),
      /** At most 30 days from now. Default 7 days. */
      expiresAt: Type.Optional(Time),
    },
    { additionalProperties: false },
  ),
  status: 201,
  answer: Made,
  errors: ['account.email_taken', 'invitation.exists', 'invitation.limit', 'project.not_found'],
})

export const renewInvitation = route({
  id: 'invitation.renew',
  method: 'POST',
  path: '/api/v1/invitations/{invitationId}/renew',
  summary:
    'Send an invitation again, with a new link for 7 days; the old link stops working (administrators)',
  caller: 'person',
  scope: 'accounts:write',
  action: 'invitation.renew',
  params: InvitationParams,
  status: 200,
  answer: Made,
  errors: ['invitation.not_found'],
})

export const revokeInvitation = route({
  id: 'invitation.revoke',
  method: 'DELETE',
  path: '/api/v1/invitations/{invitationId}',
  summary: 'Take an invitation back; its link stops working at once (administrators)',
  caller: 'person',
  scope: 'accounts:write',
  action: 'invitation.revoke',
  params: InvitationParams,
  status: 204,
  errors: ['invitation.not_found'],
})

export const findInvitation = route({
  id: 'invitation.find',
  method: 'POST',
  path: '/api/v1/invitations/find',
  summary: 'See what a link invites to. Does not use it up',
  caller: 'anyone',
  body: Type.Object({ token: TokenText }, { additionalProperties: false }),
  status: 200,
  answer: Type.Object({
    email: Type.String(),
    role: InstanceRole,
    invitedBy: Type.String(),
    expiresAt: Time,
  }),
  errors: ['invitation.link_invalid'],
})

export const acceptInvitation = route({
  id: 'invitation.accept',
  method: 'POST',
  path: '/api/v1/invitations/accept',
  summary: 'Make your account with the link that you were sent; it works once',
  caller: 'anyone',
  action: 'invitation.accept',
  body: Type.Object(
    {
      token: TokenText,
      name: Name,
      password: Password,
      /** When given, an access token of this name is made and answered once. */
      accessTokenName: Type.Optional(Name),
    },
    { additionalProperties: false },
  ),
  status: 201,
  answer: Type.Object({ account: Account, accessToken: Type.Optional(Type.String()) }),
  errors: ['invitation.link_invalid', 'account.email_taken'],
})
