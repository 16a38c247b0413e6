import {
  confirmRepository,
  connectRepository,
  createRepositoryProvider,
  deleteRepositoryProvider,
  disconnectRepository,
  listRepositoryConnections,
  listRepositoryProviders,
  updateRepositoryConnection,
  updateRepositoryProvider,
} from '@keyhold/contract/api/repositories'
import { Secret } from '@keyhold/contract/secret'
import type { Machine, Person } from '../../access/caller.ts'
import type { Http } from '../../http/http.ts'
import { escapeHtml, htmlPage } from '../../http/page.ts'
import { AUTHORIZATION_MS, type CallbackOutcome, type Repositories } from './repository.service.ts'
import { type Connection, connectionAnswer, providerAnswer } from './repository.ts'
import type { RepositoryProviders } from './repository-provider.service.ts'

/** One cookie per provider, so that two can be connected at a time. `__Host-` as the session's. */
const browserCookie = (isSecure: boolean, providerId: string) =>
  `${isSecure ? '__Host-' : ''}keyhold_connect_${providerId}`

export function repositoryRoutes(
  http: Http<Person, Machine>,
  repositories: Repositories,
  providers: RepositoryProviders,
  publicUrl: string,
  publicKeyOf: (accountId: string) => Promise<string | undefined>,
): void {
  const answerOf = async (connection: Connection) =>
    connectionAnswer(connection, await publicKeyOf(connection.accountId))

  http.person(listRepositoryProviders, async ({ caller, origin }) => {
    const list = await providers.list({ caller, origin })
    return { providers: list.map((provider) => providerAnswer(provider, publicUrl)) }
  })

  http.person(createRepositoryProvider, async ({ caller, origin, body: { clientSecret, ...wish } }) => {
    const secret = clientSecret === undefined ? undefined : new Secret(clientSecret)
    const provider = await providers.create({ caller, origin }, { ...wish, clientSecret: secret })
    return providerAnswer(provider, publicUrl)
  })

  http.person(
    updateRepositoryProvider,
    async ({ caller, origin, params, body: { clientSecret, ...change } }) => {
      const secret = clientSecret === undefined ? undefined : new Secret(clientSecret)
      const wish = { ...change, clientSecret: secret }
      return providerAnswer(await providers.update({ caller, origin }, params.providerId, wish), publicUrl)
    },
  )

  http.person(deleteRepositoryProvider, async ({ caller, origin, params, query }) => {
    await providers.delete({ caller, origin }, params.providerId, query.confirm)
    return undefined
  })

  http.person(listRepositoryConnections, async ({ caller, origin }) => ({
    connections: await Promise.all((await repositories.list({ caller, origin })).map(answerOf)),
  }))

  http.person(connectRepository, async ({ caller, origin, body, isSecure, setHeader }) => {
    const begun = await repositories.connect({ caller, origin }, body.providerId, body.method)
    if (begun.browserToken) {
      // Lax: the provider's redirect is a navigation from another site, and has to bring it along.
      const attributes = `Path=/; HttpOnly; SameSite=Lax; Max-Age=${AUTHORIZATION_MS / 1000}`
      const cookie = `${browserCookie(isSecure, body.providerId)}=${begun.browserToken.reveal()}`
      setHeader('set-cookie', `${cookie}; ${attributes}${isSecure ? '; Secure' : ''}`)
    }
    return {
      connection: begun.connection && (await answerOf(begun.connection)),
      authorizationUrl: begun.authorizationUrl,
      needsConfirmation: begun.authorizationUrl !== null && begun.browserToken === undefined,
    }
  })

  http.person(confirmRepository, async ({ caller, origin, body }) =>
    answerOf(await repositories.confirm({ caller, origin }, new Secret(body.code))),
  )

  http.person(updateRepositoryConnection, async ({ caller, origin, params, body }) =>
    answerOf(await repositories.switchMethod({ caller, origin }, params.connectionId, body.method)),
  )

  http.person(disconnectRepository, async ({ caller, origin, params }) =>
    repositories.disconnect({ caller, origin }, params.connectionId),
  )

  http.page('/api/v1/repository-connections/callback/:providerId', async (call) => {
    // `!`: it is in the path.
    const providerId = call.params.providerId!
    const { state = '', code = '', error = '' } = call.query
    const cookie = browserCookie(call.isSecure, providerId)
    const browserToken = call.cookie(cookie)
    const outcome = await repositories.callback(providerId, { state, code, error }, browserToken, call.origin)
    if (browserToken !== undefined)
      call.setHeader(
        'set-cookie',
        `${cookie}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0${call.isSecure ? '; Secure' : ''}`,
      )
    const isDone = outcome.kind === 'connected' || outcome.kind === 'confirm'
    return { status: isDone ? 200 : 400, html: callbackPage(outcome) }
  })
}

function callbackPage(outcome: CallbackOutcome): string {
  const text = (value: string) => escapeHtml(value)
  switch (outcome.kind) {
    case 'connected':
      return htmlPage(
        'Connected',
        `<p>The account <strong>${text(outcome.login)}</strong> of ${text(outcome.provider)} is connected to the Keyhold account of
<strong>${text(outcome.person)}</strong>. You can close this page.</p>`,
      )
    case 'confirm':
      return htmlPage(
        'One more step',
        `<p>To connect the account <strong>${text(outcome.login)}</strong> of ${text(outcome.provider)} to the Keyhold account of
<strong>${text(outcome.person)}</strong>, type this code where you began, within 10 minutes:</p>
<pre>${text(outcome.code.reveal())}</pre>
<p>If it was not you who began this at Keyhold, give the code to nobody: whoever has it gets your repositories. Then remove
Keyhold's access at <a href="${text(outcome.applicationsUrl)}" rel="noreferrer">${text(outcome.applicationsUrl)}</a>.</p>`,
      )
    case 'wrong-state':
      return htmlPage(
        'Not connected',
        `<p>This answer belongs to nothing that was begun in this browser in the last 10 minutes, or it was used before. Nothing was
stored.</p>
<p>Begin again, in Keyhold or with <code>keyhold repository connect</code>, and finish in the same browser.</p>`,
      )
    case 'declined':
      return htmlPage(
        'Not connected',
        `<p>${text(outcome.provider)} says that you declined. Nothing was stored. To connect after all, begin again.</p>`,
      )
    case 'failed':
      return htmlPage(
        'Not connected',
        `<p>${text(outcome.provider)} sent you back, but ${text(outcome.reason)}. Nothing was stored.</p>
<p>Begin again. If that does not help, ask an administrator to look at the registration of the provider.</p>`,
      )
  }
}
