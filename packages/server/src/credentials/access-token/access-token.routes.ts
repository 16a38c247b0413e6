import { createAccessToken, deleteAccessToken, listAccessTokens } from '@keyhold/contract/api/access-tokens'
import type { Machine, Person } from '../../access/caller.ts'
import type { InstanceSettings } from '../../accounts/settings.service.ts'
import type { Clock } from '../../base/clock.ts'
import type { Http } from '../../http/http.ts'
import type { AccessTokens } from './access-token.service.ts'
import { toAnswer } from './access-token.ts'

export function accessTokenRoutes(
  http: Http<Person, Machine>,
  tokens: AccessTokens,
  settings: InstanceSettings,
  clock: Clock,
): void {
  const rotationDays = async () => (await settings.current()).rotationDays.token

  http.person(listAccessTokens, async ({ caller, origin, query }) => {
    const list = await tokens.list({ caller, origin }, query.sort ?? 'createdAt')
    const days = await rotationDays()
    return { accessTokens: list.map((token) => toAnswer(token, clock.now(), days)) }
  })

  http.person(createAccessToken, async ({ caller, origin, body }) => {
    const created = await tokens.create({ caller, origin }, caller.accountId, {
      name: body.name,
      scopes: body.scopes ?? null,
      expiresAt: body.expiresAt ? new Date(body.expiresAt) : null,
    })
    return {
      accessToken: toAnswer(created.accessToken, clock.now(), await rotationDays()),
      token: created.token.reveal(),
    }
  })

  http.person(deleteAccessToken, async ({ caller, origin, params }) => {
    await tokens.delete({ caller, origin }, params.accessTokenId)
    return undefined
  })
}
