import Type, { type Static } from 'typebox'
import { route } from '../route.ts'
import { AccessToken, Scope } from './access-tokens.ts'
import { Id, Name, Nullable, Time } from './shapes.ts'

/*
 * The device flow of RFC 8628 with its names, in the JSON of this API. One thing is added: whoever approves gets a code
 * that has to be given where the sign-in began, so an approval that somebody was talked into is worth nothing.
 */

const TypedCode = Type.String({
  minLength: 1,
  maxLength: 40,
  description: 'As it is shown; case, dashes and spaces do not matter',
})
const UserCodeBody = Type.Object({ userCode: TypedCode }, { additionalProperties: false })

export const DeviceLogin = Type.Object({
  id: Id,
  /** What the machine calls itself, and what the access token will be called. Anybody may have written it. */
  name: Type.String(),
  /** From where it was begun. */
  address: Nullable(Type.String()),
  /** What the client says it is. */
  client: Nullable(Type.String()),
  createdAt: Time,
  /** It has to be approved and finished before. */
  expiresAt: Time,
  /** What the access token will be. */
  token: Type.Object({
    /** `null`: all of the person's rights. */
    scopes: Nullable(Type.Array(Scope)),
    expiresAt: Time,
  }),
})
export type DeviceLogin = Static<typeof DeviceLogin>

export const beginDeviceLogin = route({
  id: 'device-login.begin',
  method: 'POST',
  path: '/api/v1/device-logins',
  summary: 'Begin to sign in a machine; a person approves it elsewhere (RFC 8628)',
  caller: 'anyone',
  body: Type.Object(
    {
      name: Name,
      scopes: Type.Optional(Nullable(Type.Array(Scope, { minItems: 1, uniqueItems: true }))),
      /** When the access token ends: at most 366 days from now. Default 90 days. */
      expiresAt: Type.Optional(Time),
    },
    { additionalProperties: false },
  ),
  status: 201,
  answer: Type.Object({
    deviceCode: Type.String(),
    userCode: Type.String(),
    verificationUri: Type.String(),
    /** The same with the user code after `#`, which browsers send nowhere. */
    verificationUriComplete: Type.String(),
    /** Seconds. */
    expiresIn: Type.Integer(),
    /** Seconds between two questions whether it is approved. */
    interval: Type.Integer(),
  }),
  errors: ['rate.limited'],
})

export const finishDeviceLogin = route({
  id: 'device-login.finish',
  method: 'POST',
  path: '/api/v1/device-logins/token',
  summary: 'Ask whether a sign-in is approved; with the confirmation code, get the access token, once',
  caller: 'anyone',
  action: 'device-login.finish',
  body: Type.Object(
    {
      deviceCode: Type.String({ minLength: 1, maxLength: 100 }),
      /** What the person who approved was shown. */
      confirmationCode: Type.Optional(TypedCode),
    },
    { additionalProperties: false },
  ),
  status: 201,
  answer: Type.Object({ accessToken: AccessToken, token: Type.String() }),
  errors: [
    'device_login.authorization_pending',
    'device_login.slow_down',
    'device_login.access_denied',
    'device_login.expired_token',
    'device_login.confirmation_required',
    'device_login.confirmation_wrong',
    'access_token.limit',
  ],
})

export const findDeviceLogin = route({
  id: 'device-login.get',
  method: 'POST',
  path: '/api/v1/device-logins/find',
  summary: 'See which machine asks to be signed in, by its user code',
  caller: 'person',
  scope: 'access-tokens:read',
  action: 'device-login.read',
  body: UserCodeBody,
  status: 200,
  answer: DeviceLogin,
  errors: ['device_login.not_found'],
})

export const approveDeviceLogin = route({
  id: 'device-login.approve',
  method: 'POST',
  path: '/api/v1/device-logins/approve',
  summary: 'Let a machine sign in as you; it needs the confirmation code that is answered',
  caller: 'person',
  scope: 'access-tokens:write',
  action: 'device-login.approve',
  body: UserCodeBody,
  status: 200,
  answer: Type.Object({ confirmationCode: Type.String() }),
  errors: ['device_login.not_found', 'session.reauthentication_required'],
})

export const denyDeviceLogin = route({
  id: 'device-login.deny',
  method: 'POST',
  path: '/api/v1/device-logins/deny',
  summary: 'Turn a machine away that asks to be signed in',
  caller: 'person',
  scope: 'access-tokens:write',
  action: 'device-login.deny',
  body: UserCodeBody,
  status: 204,
  errors: ['device_login.not_found'],
})
