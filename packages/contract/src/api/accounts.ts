import Type, { type Static } from 'typebox'
import { route } from '../route.ts'
import { SecondFactorCode } from './second-factor.ts'
import { ChangedPassword, Email, Id, Name, Nullable, OneOf, Password, Time } from './shapes.ts'

export const instanceRoles = ['admin', 'member'] as const
export type InstanceRole = (typeof instanceRoles)[number]
export const InstanceRole = OneOf(['admin', 'member'])

export const Account = Type.Object({
  id: Id,
  email: Type.String(),
  name: Type.String(),
  role: InstanceRole,
  isDisabled: Type.Boolean(),
  /** The password was set by an administrator and has to be changed at the next sign-in. */
  mustChangePassword: Type.Boolean(),
  /** Signing in takes a code besides the password. */
  hasSecondFactor: Type.Boolean(),
  createdAt: Time,
})
export type Account = Static<typeof Account>

export const Session = Type.Object({
  account: Account,
  /** When the password was last confirmed; acts that need it fresh are refused 10 minutes later. `null` for an access token. */
  authenticatedAt: Nullable(Time),
  expiresAt: Nullable(Time),
  /** Begun at an identity provider: until a code or a passkey follows, nothing else is allowed. */
  needsSecondFactor: Type.Boolean(),
})
export type Session = Static<typeof Session>

export const getSetup = route({
  id: 'setup.get',
  method: 'GET',
  path: '/api/v1/setup',
  summary: 'Whether this instance is set up',
  caller: 'anyone',
  status: 200,
  answer: Type.Object({ isDone: Type.Boolean() }),
})

export const setUp = route({
  id: 'setup.create',
  method: 'POST',
  path: '/api/v1/setup',
  summary: 'Create the first administrator with the one-time code that the server printed',
  caller: 'anyone',
  action: 'instance.setup',
  body: Type.Object(
    {
      code: Type.String({ minLength: 1, maxLength: 100 }),
      email: Email,
      name: Name,
      password: Password,
      /** When given, an access token of this name is made and answered once. */
      accessTokenName: Type.Optional(Name),
    },
    { additionalProperties: false },
  ),
  status: 201,
  answer: Type.Object({ account: Account, accessToken: Type.Optional(Type.String()) }),
  errors: ['setup.code_wrong', 'setup.done'],
})

export const signIn = route({
  id: 'session.create',
  method: 'POST',
  path: '/api/v1/session',
  summary: 'Sign in by password; the session is a cookie',
  caller: 'anyone',
  action: 'session.create',
  body: Type.Object(
    {
      email: Type.String({ minLength: 1, maxLength: 254 }),
      password: Type.String({ minLength: 1, maxLength: 256 }),
      /** Needed when the account has a second factor. */
      code: Type.Optional(SecondFactorCode),
    },
    { additionalProperties: false },
  ),
  status: 201,
  answer: Session,
  errors: ['sign_in.failed', 'sign_in.code_required'],
})

export const getSession = route({
  id: 'session.get',
  method: 'GET',
  path: '/api/v1/session',
  summary: 'Who is calling',
  caller: 'person',
  status: 200,
  answer: Session,
})

export const reauthenticate = route({
  id: 'session.reauthenticate',
  method: 'POST',
  path: '/api/v1/session/reauthenticate',
  summary: 'Confirm the password, for acts that need it fresh',
  caller: 'person',
  action: 'session.reauthenticate',
  body: Type.Object(
    {
      password: Type.String({ minLength: 1, maxLength: 256 }),
      /** Needed when the account has a second factor. */
      code: Type.Optional(SecondFactorCode),
    },
    { additionalProperties: false },
  ),
  status: 204,
  errors: ['account.password_wrong', 'second_factor.code_wrong'],
})

export const signOut = route({
  id: 'session.delete',
  method: 'DELETE',
  path: '/api/v1/session',
  summary: 'Sign out',
  caller: 'person',
  action: 'session.delete',
  status: 204,
})

export const changePassword = route({
  id: 'account.password',
  method: 'POST',
  path: '/api/v1/account/password',
  summary: 'Change your password; ends your other sessions',
  caller: 'person',
  action: 'account.password',
  body: Type.Object(
    {
      currentPassword: Type.Optional(
        Type.String({ minLength: 1, maxLength: 256, description: 'Unless you have none yet' }),
      ),
      newPassword: ChangedPassword,
    },
    { additionalProperties: false },
  ),
  status: 204,
  errors: ['account.password_wrong'],
})

export const listAccounts = route({
  id: 'account.list',
  method: 'GET',
  path: '/api/v1/accounts',
  summary: 'List accounts (administrators)',
  caller: 'person',
  scope: 'accounts:read',
  action: 'account.list',
  status: 200,
  answer: Type.Object({ accounts: Type.Array(Account) }),
})

export const createAccount = route({
  id: 'account.create',
  method: 'POST',
  path: '/api/v1/accounts',
  summary: 'Create an account (administrators); the temporary password is answered once',
  caller: 'person',
  scope: 'accounts:write',
  action: 'account.create',
  body: Type.Object(
    { email: Email, name: Name, role: Type.Optional(InstanceRole) },
    { additionalProperties: false },
  ),
  status: 201,
  answer: Type.Object({ account: Account, temporaryPassword: Type.String() }),
  errors: ['account.email_taken'],
})

export const updateAccount = route({
  id: 'account.update',
  method: 'PATCH',
  path: '/api/v1/accounts/{accountId}',
  summary: 'Rename, disable, enable or change the role of an account (administrators)',
  caller: 'person',
  scope: 'accounts:write',
  action: 'account.update',
  params: Type.Object({ accountId: Id }),
  body: Type.Object(
    {
      name: Type.Optional(Name),
      role: Type.Optional(InstanceRole),
      isDisabled: Type.Optional(Type.Boolean()),
    },
    { additionalProperties: false, minProperties: 1 },
  ),
  status: 200,
  answer: Account,
  errors: ['account.not_found', 'account.last_admin'],
})

/** A browser session as its person sees it. */
export const LiveSession = Type.Object({
  id: Id,
  /** From where it was begun; `null`: not kept. */
  address: Nullable(Type.String()),
  /** What the browser says it is; `null`: not kept, or it says nothing. */
  client: Nullable(Type.String()),
  /** `password`, `passkey`, or the label of an identity provider; `null`: not kept. */
  signedInBy: Nullable(Type.String()),
  createdAt: Time,
  lastUsedAt: Time,
  expiresAt: Time,
  /** The one that asks. */
  isCurrent: Type.Boolean(),
})

export const listSessions = route({
  id: 'sessions.list',
  method: 'GET',
  path: '/api/v1/sessions',
  summary: 'List your browser sessions, last used first',
  caller: 'person',
  scope: 'sessions:read',
  action: 'session.list',
  status: 200,
  answer: Type.Object({ sessions: Type.Array(LiveSession) }),
})

export const endSession = route({
  id: 'sessions.end',
  method: 'DELETE',
  path: '/api/v1/sessions/{sessionId}',
  summary: 'End one of your browser sessions; its next request gets 401',
  caller: 'person',
  scope: 'sessions:write',
  action: 'session.end',
  params: Type.Object({ sessionId: Id }),
  status: 204,
  errors: ['session.not_found'],
})

export const endOtherSessions = route({
  id: 'sessions.end_others',
  method: 'DELETE',
  path: '/api/v1/sessions',
  summary: 'End all of your browser sessions but this one',
  caller: 'person',
  scope: 'sessions:write',
  action: 'session.end',
  status: 204,
})

export const resetSecondFactor = route({
  id: 'account.reset_second_factor',
  method: 'DELETE',
  path: '/api/v1/accounts/{accountId}/second-factor',
  summary: 'Turn off the second factor of somebody who lost theirs (administrators)',
  caller: 'person',
  scope: 'accounts:write',
  action: 'account.reset-second-factor',
  params: Type.Object({ accountId: Id }),
  status: 204,
  errors: ['account.not_found', 'second_factor.not_found', 'session.reauthentication_required'],
})

export const endSessionsOfAccount = route({
  id: 'account.end_sessions',
  method: 'DELETE',
  path: '/api/v1/accounts/{accountId}/sessions',
  summary: 'End all browser sessions of somebody; access tokens go on (administrators)',
  caller: 'person',
  scope: 'accounts:write',
  action: 'account.end-sessions',
  params: Type.Object({ accountId: Id }),
  status: 204,
  errors: ['account.not_found'],
})
