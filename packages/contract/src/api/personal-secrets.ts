import Type, { type Static } from 'typebox'
import { limits } from '../limits.ts'
import { route } from '../route.ts'
import { targetFields, targetSettings } from './secret-targets.ts'
import { Encoding, SecretType } from './secrets.ts'
import { Id, Time, WorkspaceId } from './shapes.ts'

/** What the person calls it. Not the variable: that is `envName`. */
export const PersonalSecretName = Type.String({
  minLength: 1,
  maxLength: limits.nameLength,
  pattern: '^(?=\\S)(?!.*\\s$)[^/?#\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029\\ud800-\\udfff]*$',
  description: `Not blank, no space at either end, none of / ? #, at most ${limits.nameLength} characters`,
})

/** Base64 of the largest value; the exact bound is checked in bytes. */
const Value = Type.String({
  maxLength: Math.ceil(limits.personalValueBytes / 3) * 4,
  description: `The value, kept as it is sent; at most ${limits.personalValueBytes} bytes`,
  writeOnly: true,
})

/** `"all"`, or the ids of some workspaces. */
export const Workspaces = Type.Union([
  Type.Literal('all'),
  Type.Array(WorkspaceId, { minItems: 1, maxItems: limits.workspacesPerSecret, uniqueItems: true }),
])
export type Workspaces = Static<typeof Workspaces>

/** A personal secret without its value: no list or detail ever has one. */
export const PersonalSecret = Type.Object({
  id: Id,
  name: Type.String(),
  type: SecretType,
  ...targetFields,
  workspaces: Workspaces,
})
export type PersonalSecret = Static<typeof PersonalSecret>

export const PersonalSecretVersion = Type.Object({
  version: Type.Integer(),
  createdAt: Time,
  isCurrent: Type.Boolean(),
})
export type PersonalSecretVersion = Static<typeof PersonalSecretVersion>

/** A revealed value. */
export const PersonalSecretValue = Type.Object({
  name: Type.String(),
  type: SecretType,
  value: Type.String(),
  encoding: Encoding,
  version: Type.Integer(),
})
export type PersonalSecretValue = Static<typeof PersonalSecretValue>

const Params = Type.Object({ personalSecretId: Id })

const settings = {
  ...targetSettings,
  /** Default `"all"`. */
  workspaces: Type.Optional(Workspaces),
}

export const listPersonalSecrets = route({
  id: 'personal-secret.list',
  method: 'GET',
  path: '/api/v1/personal-secrets',
  summary: 'List your personal secrets by name, never values',
  caller: 'person',
  scope: 'personal-secrets:read',
  action: 'personal-secret.list',
  status: 200,
  answer: Type.Object({ personalSecrets: Type.Array(PersonalSecret) }),
})

export const createPersonalSecret = route({
  id: 'personal-secret.create',
  method: 'POST',
  path: '/api/v1/personal-secrets',
  summary: 'Create a personal secret, delivered to your workspaces as a variable, a file, or both',
  caller: 'person',
  scope: 'personal-secrets:write',
  action: 'personal-secret.create',
  body: Type.Object(
    {
      name: PersonalSecretName,
      type: SecretType,
      value: Value,
      encoding: Type.Optional(Encoding),
      ...settings,
    },
    { additionalProperties: false },
  ),
  status: 201,
  answer: PersonalSecret,
  errors: ['personal_secret.taken', 'personal_secret.limit', 'session.reauthentication_required'],
})

export const getPersonalSecret = route({
  id: 'personal-secret.get',
  method: 'GET',
  path: '/api/v1/personal-secrets/{personalSecretId}',
  summary: 'Read what is known of a personal secret, without its value',
  caller: 'person',
  scope: 'personal-secrets:read',
  action: 'personal-secret.list',
  params: Params,
  status: 200,
  answer: PersonalSecret,
  errors: ['personal_secret.not_found'],
})

export const updatePersonalSecret = route({
  id: 'personal-secret.update',
  method: 'PATCH',
  path: '/api/v1/personal-secrets/{personalSecretId}',
  summary: 'Change a personal secret; a new value is a new version, an equal one changes nothing',
  caller: 'person',
  scope: 'personal-secrets:write',
  action: 'personal-secret.update',
  params: Params,
  body: Type.Object(
    {
      type: Type.Optional(SecretType),
      value: Type.Optional(Value),
      encoding: Type.Optional(Encoding),
      ...settings,
      /** Refuse with `personal_secret.changed` unless this is the current version. */
      expectedVersion: Type.Optional(Type.Integer({ minimum: 1 })),
    },
    { additionalProperties: false },
  ),
  status: 200,
  answer: PersonalSecret,
  errors: [
    'personal_secret.not_found',
    'personal_secret.changed',
    'personal_secret.taken',
    'personal_secret.limit',
    'session.reauthentication_required',
  ],
})

export const deletePersonalSecret = route({
  id: 'personal-secret.delete',
  method: 'DELETE',
  path: '/api/v1/personal-secrets/{personalSecretId}',
  summary: 'Delete a personal secret with its versions',
  caller: 'person',
  scope: 'personal-secrets:write',
  action: 'personal-secret.delete',
  params: Params,
  status: 204,
  errors: ['personal_secret.not_found'],
})

export const revealPersonalSecret = route({
  id: 'personal-secret.reveal',
  method: 'POST',
  path: '/api/v1/personal-secrets/{personalSecretId}/reveal',
  summary: 'Read the value of one personal secret; in a browser session the password must be fresh',
  caller: 'person',
  scope: 'personal-secrets:reveal',
  action: 'personal-secret.read',
  params: Params,
  body: Type.Object(
    { version: Type.Optional(Type.Integer({ minimum: 1 })) },
    { additionalProperties: false },
  ),
  status: 200,
  answer: PersonalSecretValue,
  errors: ['personal_secret.not_found', 'session.reauthentication_required'],
})

export const listPersonalSecretVersions = route({
  id: 'personal-secret.versions',
  method: 'GET',
  path: '/api/v1/personal-secrets/{personalSecretId}/versions',
  summary: 'List the versions of a personal secret, newest first, without values',
  caller: 'person',
  scope: 'personal-secrets:read',
  action: 'personal-secret.list',
  params: Params,
  status: 200,
  answer: Type.Object({ versions: Type.Array(PersonalSecretVersion) }),
  errors: ['personal_secret.not_found'],
})
