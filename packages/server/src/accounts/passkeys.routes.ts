import {
  beginPasskey,
  beginPasskeyConfirmation,
  beginPasskeySignIn,
  confirmByPasskey,
  createPasskey,
  deletePasskey,
  listPasskeys,
  renamePasskey,
  signInByPasskey,
} from '@keyhold/contract/api/passkeys'
import { Secret } from '@keyhold/contract/secret'
import type { Machine, Person } from '../access/caller.ts'
import type { Http } from '../http/http.ts'
import { sessionCookie, toSession } from './accounts.routes.ts'
import type { Passkeys } from './passkey.service.ts'
import { passkeyAnswer } from './passkey.ts'
import { browserCookie, readBrowserCookie, type SignInLimits } from './sign-in.routes.ts'

/** One cookie per purpose, so that a second tab does not end what the first one began. */
const COOKIE = { add: 'keyhold_passkey_add', signIn: 'keyhold_passkey', confirm: 'keyhold_passkey_confirm' }

export function passkeyRoutes(http: Http<Person, Machine>, passkeys: Passkeys, limits: SignInLimits): void {
  http.person(listPasskeys, async ({ caller, origin }) => ({
    passkeys: (await passkeys.list({ caller, origin })).map(passkeyAnswer),
  }))

  const proofOf = ({ password, code }: { password?: string; code?: string }) => ({
    password: password === undefined ? undefined : new Secret(password),
    code,
  })

  http.person(beginPasskey, async ({ caller, origin, body, isSecure, setHeader }) => {
    const begun = await limits.run(`person:${caller.accountId}`, origin, () =>
      passkeys.begin({ caller, origin }, proofOf(body)),
    )
    setHeader('set-cookie', browserCookie(COOKIE.add, isSecure, begun.browserToken))
    return begun.options
  })

  http.person(createPasskey, async ({ caller, origin, body, cookie, isSecure, setHeader }) => {
    const token = readBrowserCookie(COOKIE.add, isSecure, cookie)
    setHeader('set-cookie', browserCookie(COOKIE.add, isSecure))
    const { name, credential, endOtherSessions = false } = body
    const created = await passkeys.create({ caller, origin }, token, name, credential, endOtherSessions)
    return {
      passkey: passkeyAnswer(created.passkey),
      recoveryCodes: created.recoveryCodes.map((code) => code.reveal()),
    }
  })

  http.person(renamePasskey, async ({ caller, origin, params, body }) =>
    passkeyAnswer(await passkeys.rename({ caller, origin }, params.passkeyId, body.name)),
  )

  http.person(deletePasskey, ({ caller, origin, params, body }) =>
    limits.run(`person:${caller.accountId}`, origin, () =>
      passkeys.delete({ caller, origin }, params.passkeyId, proofOf(body), body.endOtherSessions ?? false),
    ),
  )

  http.anyone(beginPasskeySignIn, async ({ origin, isSecure, setHeader }) => {
    limits.countBeginning(origin)
    const begun = await passkeys.beginSignIn()
    setHeader('set-cookie', browserCookie(COOKIE.signIn, isSecure, begun.browserToken))
    return begun.options
  })

  http.anyone(signInByPasskey, async ({ origin, body, cookie, isSecure, setHeader }) => {
    const browserToken = readBrowserCookie(COOKIE.signIn, isSecure, cookie)
    const { token, person, account } = await limits.run(undefined, origin, () =>
      passkeys.signIn(origin, browserToken, body.credential),
    )
    setHeader('set-cookie', sessionCookie(isSecure, token.reveal()))
    return toSession(person, account)
  })

  http.person(beginPasskeyConfirmation, async ({ caller, origin, isSecure, setHeader }) => {
    limits.countBeginning(origin)
    const begun = await passkeys.beginConfirmation({ caller, origin })
    setHeader('set-cookie', browserCookie(COOKIE.confirm, isSecure, begun.browserToken))
    return begun.options
  })

  http.person(confirmByPasskey, async ({ caller, origin, body, cookie, isSecure }) => {
    const browserToken = readBrowserCookie(COOKIE.confirm, isSecure, cookie)
    // No limit per account: nobody guesses a signature, and strangers who guess the password must not keep its owner out.
    await limits.run(undefined, origin, () =>
      passkeys.confirm({ caller, origin }, browserToken, body.credential),
    )
    return undefined
  })
}
