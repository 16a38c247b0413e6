import Type, { type Static } from 'typebox'
import { route } from '../route.ts'
import { Nullable, Time } from './shapes.ts'

/** Six digits of an authenticator, or a recovery code, with or without its dashes and spaces. */
export const SecondFactorCode = Type.String({
  minLength: 6,
  maxLength: 40,
  description: 'Six digits of the authenticator, or a recovery code',
})

/** Offered with each change of factors (ASVS 7.4.3). */
export const EndOtherSessions = Type.Optional(
  Type.Boolean({ description: 'End your other browser sessions with it' }),
)

const ConfirmedPassword = Type.String({ minLength: 1, maxLength: 256, description: 'Your password' })
const RecoveryCodes = Type.Array(Type.String(), {
  description: 'Each works once in place of a code; they are shown only now',
})

export const SecondFactor = Type.Object({
  /** `null`: there is no authenticator. */
  totp: Nullable(Type.Object({ createdAt: Time, lastUsedAt: Nullable(Time) })),
  /** How many there are. Without authenticator and passkey signing in takes the password alone. */
  passkeys: Type.Integer(),
  recoveryCodesLeft: Type.Integer(),
  /** Administrators want everybody to have one. */
  isRequired: Type.Boolean(),
})
export type SecondFactor = Static<typeof SecondFactor>

export const getSecondFactor = route({
  id: 'second-factor.get',
  method: 'GET',
  path: '/api/v1/second-factor',
  summary: 'See whether signing in takes a second factor',
  caller: 'person',
  scope: 'second-factor:read',
  action: 'second-factor.read',
  status: 200,
  answer: SecondFactor,
})

export const beginTotp = route({
  id: 'second-factor.begin',
  method: 'POST',
  path: '/api/v1/second-factor/totp',
  summary:
    'Make the secret of an authenticator; it counts once a code of it was given. With an access token, and a passkey there, it takes a recovery code',
  caller: 'person',
  scope: 'second-factor:write',
  action: 'second-factor.begin',
  body: Type.Object(
    { password: ConfirmedPassword, code: Type.Optional(SecondFactorCode) },
    { additionalProperties: false },
  ),
  status: 201,
  answer: Type.Object({
    /** Base32, for typing it in. */
    secret: Type.String(),
    /** `otpauth://totp/…`, for a QR code. */
    uri: Type.String(),
  }),
  errors: [
    'account.password_wrong',
    'second_factor.code_wrong',
    'second_factor.exists',
    'session.reauthentication_required',
  ],
})

export const confirmTotp = route({
  id: 'second-factor.confirm',
  method: 'POST',
  path: '/api/v1/second-factor/totp/confirm',
  summary: 'Turn the authenticator on with a first code; answers recovery codes, once',
  caller: 'person',
  scope: 'second-factor:write',
  action: 'second-factor.create',
  body: Type.Object(
    { code: SecondFactorCode, endOtherSessions: EndOtherSessions },
    { additionalProperties: false },
  ),
  status: 200,
  answer: Type.Object({ recoveryCodes: RecoveryCodes }),
  errors: ['second_factor.code_wrong', 'second_factor.not_begun'],
})

export const renewRecoveryCodes = route({
  id: 'second-factor.codes',
  method: 'POST',
  path: '/api/v1/second-factor/recovery-codes',
  summary: 'Replace your recovery codes; answers the new ones, once; takes the password and a code',
  caller: 'person',
  scope: 'second-factor:write',
  action: 'second-factor.update',
  body: Type.Object({ password: ConfirmedPassword, code: SecondFactorCode }, { additionalProperties: false }),
  status: 200,
  answer: Type.Object({ recoveryCodes: RecoveryCodes }),
  errors: ['account.password_wrong', 'second_factor.code_wrong', 'second_factor.not_found'],
})

export const deleteSecondFactor = route({
  id: 'second-factor.delete',
  method: 'POST',
  path: '/api/v1/second-factor/delete',
  summary: 'Turn the authenticator off; takes the password and a code',
  caller: 'person',
  scope: 'second-factor:write',
  action: 'second-factor.delete',
  body: Type.Object(
    { password: ConfirmedPassword, code: SecondFactorCode, endOtherSessions: EndOtherSessions },
    { additionalProperties: false },
  ),
  status: 204,
  errors: [
    'account.password_wrong',
    'second_factor.code_wrong',
    'second_factor.not_found',
    'second_factor.required',
    'second_factor.password_short',
  ],
})
