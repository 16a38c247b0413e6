import * as api from '@keyhold/contract/api/invitations'
import { Secret } from '@keyhold/contract/secret'
import type { Machine, Person } from '../access/caller.ts'
import type { Clock } from '../base/clock.ts'
import type { Http } from '../http/http.ts'
import type { Transaction } from '../storage/tables.ts'
import { type Account, toAnswer } from './account.ts'
import type { Invitations, MadeInvitation } from './invitation.service.ts'
import { invitationAnswer } from './invitation.ts'

/** @param addToken makes the access token that accepting may answer. */
export function invitationRoutes(
  http: Http<Person, Machine>,
  invitations: Invitations,
  clock: Clock,
  addToken: (tx: Transaction, account: Account, name: string) => Promise<Secret<string>>,
): void {
  const made = ({ invitation, link }: MadeInvitation) => ({
    invitation: invitationAnswer(invitation, clock.now()),
    link: link?.reveal() ?? null,
  })

  http.person(api.listInvitations, async ({ caller, origin }) => ({
    invitations: (await invitations.list({ caller, origin })).map((one) =>
      invitationAnswer(one, clock.now()),
    ),
  }))
  http.person(api.createInvitation, async ({ caller, origin, body }) =>
    made(
      await invitations.create(
        { caller, origin },
        {
          email: body.email,
          role: body.role ?? 'member',
          projects: body.projects ?? [],
          expiresAt: body.expiresAt === undefined ? null : new Date(body.expiresAt),
        },
      ),
    ),
  )
  http.person(api.renewInvitation, async ({ caller, origin, params }) =>
    made(await invitations.renew({ caller, origin }, params.invitationId)),
  )
  http.person(api.revokeInvitation, ({ caller, origin, params }) =>
    invitations.revoke({ caller, origin }, params.invitationId),
  )

  http.anyone(api.findInvitation, async ({ body }) => {
    const { email, role, inviter, expiresAt } = await invitations.find(new Secret(body.token))
    return { email, role, invitedBy: inviter.name, expiresAt: expiresAt.toISOString() }
  })
  http.anyone(api.acceptInvitation, async ({ body, origin }) => {
    let accessToken: Secret<string> | undefined
    const person = { name: body.name, password: new Secret(body.password) }
    const account = await invitations.accept(origin, new Secret(body.token), person, async (tx, created) => {
      if (body.accessTokenName !== undefined) accessToken = await addToken(tx, created, body.accessTokenName)
    })
    return { account: toAnswer(account), ...(accessToken && { accessToken: accessToken.reveal() }) }
  })
}
