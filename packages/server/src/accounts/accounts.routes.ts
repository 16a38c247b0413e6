import type { Action } from '@keyhold/contract/actions'
import {
  changePassword,
  createAccount,
  endOtherSessions,
  endSession,
  endSessionsOfAccount,
  getSession,
  getSetup,
  listAccounts,
  listSessions,
  reauthenticate,
  resetSecondFactor,
  type Session,
  setUp,
  signIn,
  signOut,
  updateAccount,
} from '@keyhold/contract/api/accounts'
import {
  beginTotp,
  confirmTotp,
  deleteSecondFactor,
  getSecondFactor,
  renewRecoveryCodes,
} from '@keyhold/contract/api/second-factor'
import { Secret } from '@keyhold/contract/secret'
import type { Asker, Machine, Person } from '../access/caller.ts'
import { AppError } from '../base/app-error.ts'
import { randomKey } from '../base/ids.ts'
import { cookieName } from '../http/credential.ts'
import type { Http } from '../http/http.ts'
import type { Transaction } from '../storage/tables.ts'
import { type Account, emailKey, toAnswer } from './account.ts'
import type { Accounts } from './accounts.service.ts'
import type { SecondFactors } from './second-factor.service.ts'
import type { SignInLimits } from './sign-in.routes.ts'

/** @param addToken makes the access token that set-up may answer. */
export function accountRoutes(
  http: Http<Person, Machine>,
  accounts: Accounts,
  secondFactors: SecondFactors,
  limits: SignInLimits,
  addToken: (tx: Transaction, account: Account, name: string) => Promise<Secret<string>>,
): void {
  http.anyone(getSetup, async () => ({ isDone: await accounts.isSetUp() }))

  http.anyone(setUp, async ({ body, origin }) => {
    let accessToken: Secret<string> | undefined
    const account = await limits.run(undefined, origin, () =>
      accounts.setUp(
        origin,
        new Secret(body.code),
        { email: body.email, name: body.name, password: new Secret(body.password) },
        async (tx, created) => {
          if (body.accessTokenName !== undefined)
            accessToken = await addToken(tx, created, body.accessTokenName)
        },
      ),
    )
    return { account: toAnswer(account), ...(accessToken && { accessToken: accessToken.reveal() }) }
  })

  http.anyone(signIn, async ({ body, origin, isSecure, setHeader }) => {
    // One bucket per account, whether somebody guesses here or in a session.
    const known = await accounts.findByEmail(body.email)
    const { token, person, account } = await limits.run(
      `person:${known?.id ?? emailKey(body.email)}`,
      origin,
      () => accounts.signIn(origin, body.email, new Secret(body.password), body.code),
    )
    setHeader('set-cookie', sessionCookie(isSecure, token.reveal()))
    return toSession(person, account)
  })

  http.person(getSession, async ({ caller }) => {
    const account = await accounts.find(caller.accountId)
    if (!account) throw new AppError('auth.required')
    return toSession(caller, account)
  })

  http.person(reauthenticate, async ({ caller, origin, body }) => {
    await limits.run(`person:${caller.accountId}`, origin, () =>
      accounts.reauthenticate({ caller, origin }, new Secret(body.password), body.code),
    )
    return undefined
  })

  http.person(signOut, async ({ caller, origin, isSecure, setHeader }) => {
    await accounts.signOut({ caller, origin })
    setHeader('set-cookie', `${sessionCookie(isSecure, '')}; Max-Age=0`)
    return undefined
  })

  /** Factors are changed with the password, whatever the caller holds: a stolen token must not change who gets in. */
  async function withPassword<T>(
    { caller, origin }: Asker<Person>,
    action: Action,
    password: string,
    work: (account: Account) => Promise<T>,
  ): Promise<T> {
    return limits.run(`person:${caller.accountId}`, origin, async () =>
      work(await accounts.assertPassword({ caller, origin }, action, new Secret(password))),
    )
  }
  const revealed = (codes: readonly Secret<string>[]) => ({
    recoveryCodes: codes.map((code) => code.reveal()),
  })

  http.person(getSecondFactor, async ({ caller, origin }) => {
    const { totp, ...state } = await secondFactors.state({ caller, origin })
    return {
      totp: totp && {
        createdAt: totp.createdAt.toISOString(),
        lastUsedAt: totp.lastUsedAt?.toISOString() ?? null,
      },
      ...state,
    }
  })
  http.person(beginTotp, async ({ caller, origin, body }) => {
    const asker = { caller, origin }
    const { secret, uri } = await withPassword(asker, 'second-factor.begin', body.password, ({ email }) =>
      secondFactors.begin(asker, email, body.code),
    )
    return { secret: secret.reveal(), uri: uri.reveal() }
  })
  http.person(confirmTotp, async ({ caller, origin, body }) =>
    revealed(
      await limits.run(`person:${caller.accountId}`, origin, () =>
        secondFactors.confirm({ caller, origin }, body.code, body.endOtherSessions),
      ),
    ),
  )
  http.person(renewRecoveryCodes, async ({ caller, origin, body }) =>
    revealed(
      await withPassword({ caller, origin }, 'second-factor.update', body.password, () =>
        secondFactors.renewCodes({ caller, origin }, body.code),
      ),
    ),
  )
  http.person(deleteSecondFactor, ({ caller, origin, body }) =>
    withPassword({ caller, origin }, 'second-factor.delete', body.password, () =>
      secondFactors.delete({ caller, origin }, body.code, body.endOtherSessions),
    ),
  )

  http.person(resetSecondFactor, ({ caller, origin, params }) =>
    secondFactors.reset({ caller, origin }, params.accountId),
  )

  http.person(endSessionsOfAccount, ({ caller, origin, params }) =>
    accounts.endSessionsOf({ caller, origin }, params.accountId),
  )

  http.person(listSessions, async ({ caller, origin }) => ({
    sessions: (await accounts.listSessions({ caller, origin })).map((session) => ({
      ...session,
      createdAt: session.createdAt.toISOString(),
      lastUsedAt: session.lastUsedAt.toISOString(),
      expiresAt: session.expiresAt.toISOString(),
    })),
  }))

  http.person(endSession, ({ caller, origin, params }) =>
    accounts.endSession({ caller, origin }, params.sessionId),
  )

  http.person(endOtherSessions, ({ caller, origin }) => accounts.endOtherSessions({ caller, origin }))

  http.person(changePassword, async ({ caller, origin, body }) => {
    await limits.run(`person:${caller.accountId}`, origin, () =>
      accounts.changePassword(
        { caller, origin },
        body.currentPassword === undefined ? undefined : new Secret(body.currentPassword),
        new Secret(body.newPassword),
      ),
    )
    return undefined
  })

  http.person(listAccounts, async ({ caller, origin }) => ({
    accounts: (await accounts.list({ caller, origin })).map(toAnswer),
  }))

  http.person(createAccount, async ({ caller, origin, body }) => {
    // 144 random bits, changed by its owner at the first sign-in.
    const temporaryPassword = randomKey(18).toString('base64url')
    const account = await accounts.create(
      { caller, origin },
      {
        email: body.email,
        name: body.name,
        role: body.role ?? 'member',
        password: new Secret(temporaryPassword),
        mustChangePassword: true,
      },
    )
    return { account: toAnswer(account), temporaryPassword }
  })

  http.person(updateAccount, async ({ caller, origin, params, body }) =>
    toAnswer(await accounts.update({ caller, origin }, params.accountId, body)),
  )
}

/** Not readable by scripts, sent to this site only, gone with the browser session. */
export function sessionCookie(isSecure: boolean, token: string): string {
  return `${cookieName(isSecure)}=${token}; Path=/; HttpOnly; SameSite=Strict${isSecure ? '; Secure' : ''}`
}

export function toSession(person: Person, account: Account): Session {
  const { credential } = person
  return {
    account: toAnswer(account),
    authenticatedAt: credential.kind === 'session' ? credential.authenticatedAt.toISOString() : null,
    expiresAt: credential.expiresAt?.toISOString() ?? null,
    needsSecondFactor: credential.kind === 'session' && credential.needsSecondFactor === true,
  }
}
