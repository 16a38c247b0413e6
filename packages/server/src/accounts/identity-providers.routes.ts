import {
  beginProviderConfirmation,
  beginProviderSignIn,
  createIdentityLink,
  createIdentityProvider,
  deleteIdentityLink,
  deleteIdentityProvider,
  getSignInOptions,
  giveSecondFactor,
  listIdentityLinks,
  listIdentityProviders,
  testIdentityProvider,
  updateIdentityProvider,
} from '@keyhold/contract/api/identity-providers'
import { Secret } from '@keyhold/contract/secret'
import type { Machine, Person } from '../access/caller.ts'
import type { Http } from '../http/http.ts'
import { escapeHtml, htmlPage } from '../http/page.ts'
import { sessionCookie } from './accounts.routes.ts'
import type { Accounts } from './accounts.service.ts'
import type { IdentityProviders } from './identity-provider.service.ts'
import { linkAnswer, providerAnswer } from './identity-provider.ts'
import { relyingPartyOf } from './passkey.ts'
import type {
  ProviderOutcome,
  ProviderRefusal,
  ProviderSignIns,
  SentAway,
} from './provider-sign-in.service.ts'
import { browserCookie, readBrowserCookie, type SignInLimits } from './sign-in.routes.ts'

interface Parts {
  readonly providers: IdentityProviders
  readonly signIns: ProviderSignIns
  readonly accounts: Accounts
  readonly limits: SignInLimits
  readonly publicUrl: string
}

/** One cookie per provider, so that two can be asked at a time. */
const cookieOf = (providerId: string) => `keyhold_provider_${providerId}`

export function identityProviderRoutes(http: Http<Person, Machine>, parts: Parts): void {
  const { providers, signIns, accounts, limits, publicUrl } = parts

  http.anyone(getSignInOptions, async () => ({
    passkeys: relyingPartyOf(publicUrl) !== undefined,
    identityProviders: (await providers.listAll()).map(({ id, label }) => ({ id, label })),
  }))

  http.person(listIdentityProviders, async ({ caller, origin }) => ({
    identityProviders: (await providers.list({ caller, origin })).map((one) =>
      providerAnswer(one, publicUrl),
    ),
  }))
  http.person(createIdentityProvider, async ({ caller, origin, body: { clientSecret, ...wish } }) =>
    providerAnswer(await providers.create({ caller, origin }, wish, new Secret(clientSecret)), publicUrl),
  )
  http.person(
    updateIdentityProvider,
    async ({ caller, origin, params, body: { clientSecret, ...change } }) => {
      const secret = clientSecret === undefined ? undefined : new Secret(clientSecret)
      return providerAnswer(
        await providers.update({ caller, origin }, params.providerId, change, secret),
        publicUrl,
      )
    },
  )
  http.person(deleteIdentityProvider, ({ caller, origin, params, query }) =>
    providers.delete({ caller, origin }, params.providerId, query.confirm),
  )
  http.person(testIdentityProvider, async ({ caller, origin, params }) => ({
    checks: await providers.test({ caller, origin }, params.providerId),
  }))

  /** Lax: the provider's redirect is a navigation from another site, and has to bring the cookie along. */
  const sendAway = (
    call: { isSecure: boolean; setHeader(name: string, value: string): void },
    providerId: string,
    { authorizationUrl, browserToken }: SentAway,
  ) => {
    call.setHeader('set-cookie', browserCookie(cookieOf(providerId), call.isSecure, browserToken, 'Lax'))
    return { authorizationUrl }
  }

  http.anyone(beginProviderSignIn, async (call) => {
    limits.countBeginning(call.origin)
    const { providerId } = call.body
    return sendAway(call, providerId, await signIns.beginSignIn(providerId))
  })
  http.person(beginProviderConfirmation, async (call) => {
    const { caller, origin, body } = call
    limits.countBeginning(origin)
    return sendAway(
      call,
      body.providerId,
      await signIns.beginConfirmation({ caller, origin }, body.providerId),
    )
  })
  http.person(giveSecondFactor, ({ caller, origin, body }) =>
    limits.run(`person:${caller.accountId}`, origin, () =>
      accounts.giveSecondFactor({ caller, origin }, body.code),
    ),
  )

  http.person(listIdentityLinks, async ({ caller, origin }) => ({
    identityLinks: (await signIns.listLinks({ caller, origin })).map(linkAnswer),
  }))
  http.person(createIdentityLink, async (call) => {
    const { caller, origin, body } = call
    limits.countBeginning(origin)
    return sendAway(call, body.providerId, await signIns.beginLink({ caller, origin }, body.providerId))
  })
  http.person(deleteIdentityLink, ({ caller, origin, params }) =>
    signIns.deleteLink({ caller, origin }, params.linkId),
  )

  http.page('/api/v1/identity-providers/callback/:providerId', async (call) => {
    const providerId = call.params.providerId! // `!`: it is in the path.
    // What is no id names no cookie.
    const name = cookieOf(/^idp_[0-9a-z]{20}$/.test(providerId) ? providerId : 'none')
    const browserToken = readBrowserCookie(name, call.isSecure, call.cookie)
    const outcome = await signIns.callback(providerId, { ...call.query }, browserToken, call.origin)
    call.setHeader('set-cookie', browserCookie(name, call.isSecure, undefined, 'Lax'))
    if (outcome.kind === 'signed-in')
      call.setHeader('set-cookie', sessionCookie(call.isSecure, outcome.session.token.reveal()))
    const isDone = ['signed-in', 'confirmed', 'linked'].includes(outcome.kind)
    return { status: isDone ? 200 : outcome.kind === 'wrong-state' ? 400 : 403, html: page(outcome) }
  })
}

/** What to do next, where a rule or an account is in the way. */
const refusals: Record<ProviderRefusal, string> = {
  'email-domain': 'Your address is not one of those that may sign in, or the provider did not verify it.',
  claim: 'The provider does not say of you what administrators want it to say of everybody who signs in.',
  'not-linked':
    'No account of Keyhold is linked to yours there. Sign in as before and link it, or ask an administrator for an account.',
  'account-exists':
    'There is an account with your address, which is not linked. Sign in to it as before, and link the provider there.',
  'no-email': 'The provider does not say that your address is yours, and an account needs one.',
  disabled: 'Your account is disabled. Ask an administrator.',
  'not-signed-in': 'The session in which you began has ended. Sign in and begin again.',
  'other-identity': 'That is another account of the provider than the one that is linked to you.',
  'linked-elsewhere': 'That account of the provider is linked to somebody else here.',
  'not-fresh':
    'The provider does not say that you have just signed in there. Confirm by passkey or password, or sign in to Keyhold anew.',
  'second-factor':
    'Your account has a second factor, and the provider did not ask for one. Confirm by passkey, or by password and code.',
}

function page(outcome: ProviderOutcome): string {
  const text = escapeHtml
  switch (outcome.kind) {
    case 'signed-in': {
      const { account, person } = outcome.session
      const isPending = person.credential.kind === 'session' && person.credential.needsSecondFactor
      return isPending
        ? htmlPage(
            'One more step',
            `<p>${text(outcome.label)} says that you are ${text(account.name)}. To finish, give a code of your authenticator, or use a
passkey. <a href="/">Continue</a></p>`,
          )
        : htmlPage(
            'Signed in',
            `<p>You are signed in as <strong>${text(account.name)}</strong>. <a href="/">Continue</a></p>`,
          )
    }
    case 'linked':
      return htmlPage(
        'Linked',
        `<p>${text(outcome.label)} signs you in from now on. <a href="/">Continue</a></p>`,
      )
    case 'confirmed':
      return htmlPage(
        'Confirmed',
        `<p>${text(outcome.label)} says that it is you. <a href="/">Continue</a></p>`,
      )
    case 'wrong-state':
      return htmlPage(
        'Not signed in',
        `<p>This answer belongs to nothing that was begun in this browser in the last 5 minutes, or it was used before.</p>
<p>Begin again, and finish in the same browser.</p>`,
      )
    case 'declined':
      return htmlPage(
        'Not signed in',
        `<p>${text(outcome.label)} says that you declined. Nothing was changed.</p>`,
      )
    case 'failed':
      return htmlPage(
        'Not signed in',
        `<p>${text(outcome.label)} sent you back, but ${text(outcome.reason)}. Nothing was changed.</p>
<p>Begin again. If that does not help, ask an administrator to run <code>keyhold identity-provider test</code>.</p>`,
      )
    case 'refused':
      return htmlPage('Not signed in', `<p>${text(refusals[outcome.why])}</p>`)
  }
}
