import Type, { type Static } from 'typebox'
import { route } from '../route.ts'
import { Session } from './accounts.ts'
import { EndOtherSessions, SecondFactorCode } from './second-factor.ts'
import { Id, Name, Nullable, Time } from './shapes.ts'

/*
 * The forms of Web Authentication Level 3 §5.1.8: what `PublicKeyCredential.parseCreationOptionsFromJSON` and
 * `parseRequestOptionsFromJSON` take, and what `credential.toJSON()` gives. Bytes are base64url.
 */

const Bytes = (maxLength: number) => Type.String({ maxLength, pattern: '^[A-Za-z0-9_-]+$' })
/** Authenticators make ids of at most 1,023 bytes (WebAuthn §5.1.3). */
const CredentialId = Bytes(1364)
const Descriptor = Type.Object({
  type: Type.Literal('public-key'),
  id: Type.String(),
  transports: Type.Array(Type.String()),
})

/** Fields besides those that are read are let through: browsers add new ones. */
const fromBrowser = <P extends Parameters<typeof Type.Object>[0]>(response: P) =>
  Type.Object(
    {
      id: CredentialId,
      rawId: CredentialId,
      type: Type.Literal('public-key'),
      response: Type.Object(response),
    },
    { description: 'credential.toJSON() of the browser' },
  )

const NewCredential = fromBrowser({
  clientDataJSON: Bytes(8_000),
  attestationObject: Bytes(40_000),
  transports: Type.Optional(
    Type.Array(Type.String({ maxLength: 32, pattern: '^[a-z-]*$' }), { maxItems: 10 }),
  ),
})
export type NewCredential = Static<typeof NewCredential>

const ProvenCredential = fromBrowser({
  clientDataJSON: Bytes(8_000),
  authenticatorData: Bytes(8_000),
  signature: Bytes(2_000),
  userHandle: Type.Optional(Nullable(Bytes(100))),
})
export type ProvenCredential = Static<typeof ProvenCredential>

const RequestOptions = Type.Object(
  {
    challenge: Type.String(),
    rpId: Type.String(),
    timeout: Type.Integer(),
    userVerification: Type.Literal('required'),
    allowCredentials: Type.Array(Descriptor),
  },
  { description: 'For PublicKeyCredential.parseRequestOptionsFromJSON' },
)
export type RequestOptions = Static<typeof RequestOptions>

const CreationOptions = Type.Object(
  {
    rp: Type.Object({ id: Type.String(), name: Type.String() }),
    user: Type.Object({ id: Type.String(), name: Type.String(), displayName: Type.String() }),
    challenge: Type.String(),
    pubKeyCredParams: Type.Array(Type.Object({ type: Type.Literal('public-key'), alg: Type.Integer() })),
    timeout: Type.Integer(),
    excludeCredentials: Type.Array(Descriptor),
    authenticatorSelection: Type.Object({
      residentKey: Type.Literal('required'),
      requireResidentKey: Type.Literal(true),
      userVerification: Type.Literal('required'),
    }),
    attestation: Type.Literal('none'),
  },
  { description: 'For PublicKeyCredential.parseCreationOptionsFromJSON' },
)
export type CreationOptions = Static<typeof CreationOptions>

/** What a change of factors takes besides a fresh sign-in, which only a browser session can have. */
export const FactorProof = {
  password: Type.Optional(
    Type.String({ minLength: 1, maxLength: 256, description: 'Your password; needed with an access token' }),
  ),
  code: Type.Optional(SecondFactorCode),
}

export const Passkey = Type.Object({
  id: Id,
  name: Type.String(),
  /** Model of the authenticator (AAGUID); `null` when it does not say. */
  aaguid: Nullable(Type.String()),
  /** How it is reached: `internal`, `usb`, `hybrid` and the like. */
  transports: Type.Array(Type.String()),
  /** It is copied to the person's other devices by whoever made the authenticator. */
  isSynced: Type.Boolean(),
  createdAt: Time,
  lastUsedAt: Nullable(Time),
})
export type Passkey = Static<typeof Passkey>

export const listPasskeys = route({
  id: 'passkey.list',
  method: 'GET',
  path: '/api/v1/passkeys',
  summary: 'List your passkeys',
  caller: 'person',
  scope: 'second-factor:read',
  action: 'passkey.list',
  status: 200,
  answer: Type.Object({ passkeys: Type.Array(Passkey) }),
})

export const beginPasskey = route({
  id: 'passkey.begin',
  method: 'POST',
  path: '/api/v1/passkeys/options',
  summary: 'Begin to add a passkey; good for 5 minutes, in the browser that asked',
  caller: 'person',
  scope: 'second-factor:write',
  action: 'passkey.create',
  body: Type.Object(FactorProof, { additionalProperties: false }),
  status: 200,
  answer: CreationOptions,
  errors: [
    'account.password_wrong',
    'second_factor.code_wrong',
    'passkey.limit',
    'passkey.unavailable',
    'session.reauthentication_required',
  ],
})

export const createPasskey = route({
  id: 'passkey.create',
  method: 'POST',
  path: '/api/v1/passkeys',
  summary: 'Add a passkey; the first factor of an account also gets recovery codes, answered once',
  caller: 'person',
  scope: 'second-factor:write',
  action: 'passkey.create',
  body: Type.Object(
    { name: Name, credential: NewCredential, endOtherSessions: EndOtherSessions },
    { additionalProperties: false },
  ),
  status: 201,
  answer: Type.Object({
    passkey: Passkey,
    recoveryCodes: Type.Array(Type.String(), {
      description: 'Empty when you have some; each works once in place of a code',
    }),
  }),
  errors: ['passkey.refused', 'passkey.exists', 'passkey.limit', 'session.reauthentication_required'],
})

export const renamePasskey = route({
  id: 'passkey.update',
  method: 'PATCH',
  path: '/api/v1/passkeys/{passkeyId}',
  summary: 'Rename a passkey',
  caller: 'person',
  scope: 'second-factor:write',
  action: 'passkey.update',
  params: Type.Object({ passkeyId: Id }),
  body: Type.Object({ name: Name }, { additionalProperties: false }),
  status: 200,
  answer: Passkey,
  errors: ['passkey.not_found'],
})

export const deletePasskey = route({
  id: 'passkey.delete',
  method: 'POST',
  path: '/api/v1/passkeys/{passkeyId}/delete',
  summary: 'Remove a passkey; it signs nobody in any more',
  caller: 'person',
  scope: 'second-factor:write',
  action: 'passkey.delete',
  params: Type.Object({ passkeyId: Id }),
  body: Type.Object({ ...FactorProof, endOtherSessions: EndOtherSessions }, { additionalProperties: false }),
  status: 204,
  errors: [
    'passkey.not_found',
    'passkey.last',
    'account.password_wrong',
    'second_factor.code_wrong',
    'second_factor.required',
    'second_factor.password_short',
    'session.reauthentication_required',
  ],
})

export const beginPasskeySignIn = route({
  id: 'session.passkey_begin',
  method: 'POST',
  path: '/api/v1/session/passkey/options',
  summary: 'Begin to sign in by passkey; good for 5 minutes, in the browser that asked',
  caller: 'anyone',
  status: 200,
  answer: RequestOptions,
  errors: ['passkey.unavailable'],
})

export const signInByPasskey = route({
  id: 'session.passkey',
  method: 'POST',
  path: '/api/v1/session/passkey',
  summary: 'Sign in by passkey, without address and password; the session is a cookie',
  caller: 'anyone',
  action: 'session.create',
  body: Type.Object({ credential: ProvenCredential }, { additionalProperties: false }),
  status: 201,
  answer: Session,
  errors: ['sign_in.passkey_failed', 'passkey.copied'],
})

export const beginPasskeyConfirmation = route({
  id: 'session.reauthenticate_passkey_begin',
  method: 'POST',
  path: '/api/v1/session/reauthenticate/passkey/options',
  summary: 'Begin to confirm by passkey that it is you',
  caller: 'person',
  action: 'session.reauthenticate',
  status: 200,
  answer: RequestOptions,
  errors: ['passkey.not_found', 'passkey.unavailable'],
})

export const confirmByPasskey = route({
  id: 'session.reauthenticate_passkey',
  method: 'POST',
  path: '/api/v1/session/reauthenticate/passkey',
  summary: 'Confirm by passkey that it is you, for acts that need it fresh',
  caller: 'person',
  action: 'session.reauthenticate',
  body: Type.Object({ credential: ProvenCredential }, { additionalProperties: false }),
  status: 204,
  errors: ['passkey.refused', 'passkey.copied'],
})
