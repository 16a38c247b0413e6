import Type, { type Static } from 'typebox'
import { limits } from '../limits.ts'
import { route } from '../route.ts'
import { Email, Id, Name, Nullable, OneOf, Time } from './shapes.ts'

/** What became of a key at one connected code host. */
export const GpgDeployment = Type.Object({
  connectionId: Type.String(),
  provider: Type.String(),
  status: OneOf(['published', 'missing-scope', 'failed']),
  /** `missing-scope`: what the connection has to be given. */
  missingScope: Nullable(Type.String()),
  /** Why not, in words. */
  reason: Nullable(Type.String()),
  updatedAt: Time,
})
export type GpgDeployment = Static<typeof GpgDeployment>

export const GpgKey = Type.Object({
  id: Id,
  /** Upper case hex. */
  fingerprint: Type.String(),
  /** The last 16 digits of the fingerprint: what git's `user.signingkey` takes. */
  keyId: Type.String(),
  userIds: Type.Array(Type.String()),
  /** Commits with this address are shown as verified. */
  email: Type.String(),
  algorithm: Type.String(),
  createdAt: Time,
  /** `null`: "No expiry". */
  expiresAt: Nullable(Time),
  /** `null`: "Never". Moves on within one minute of a use. */
  lastUsedAt: Nullable(Time),
  status: OneOf(['active', 'expired']),
  /** Armored. */
  publicKey: Type.String(),
  deployments: Type.Array(GpgDeployment),
})
export type GpgKey = Static<typeof GpgKey>

/** Armored; whoever has it can make the key worthless, and nothing else. `null`: its primary key is kept elsewhere. */
const RevocationCertificate = Nullable(Type.String())
const Publish = Type.Optional(
  Type.Boolean({ description: 'Deploy to the connected code hosts. Default true' }),
)
const path = '/api/v1/gpg-keys'
const params = Type.Object({ gpgKeyId: Id })

export const listGpgKeys = route({
  id: 'gpg-key.list',
  method: 'GET',
  path,
  summary: 'List your GPG keys, never private ones',
  caller: 'person',
  scope: 'gpg-keys:read',
  action: 'gpg-key.list',
  status: 200,
  answer: Type.Object({ gpgKeys: Type.Array(GpgKey) }),
})

export const createGpgKey = route({
  id: 'gpg-key.create',
  method: 'POST',
  path,
  summary: 'Generate a GPG key for signing commits, and deploy it to the connected code hosts',
  caller: 'person',
  scope: 'gpg-keys:write',
  action: 'gpg-key.create',
  body: Type.Object(
    {
      name: Type.Optional(Name),
      email: Type.Optional(Email),
      expiresAt: Type.Optional(Nullable(Time)),
      publish: Publish,
    },
    { additionalProperties: false },
  ),
  status: 201,
  answer: Type.Object({ gpgKey: GpgKey, revocationCertificate: RevocationCertificate }),
  errors: ['gpg_key.limit'],
})

export const importGpgKey = route({
  id: 'gpg-key.import',
  method: 'POST',
  path: `${path}/import`,
  summary: 'Import a private GPG key, and deploy it to the connected code hosts',
  caller: 'person',
  scope: 'gpg-keys:write',
  action: 'gpg-key.create',
  body: Type.Object(
    {
      privateKey: Type.String({
        maxLength: limits.gpgPrivateKeyLength,
        description: 'As gpg --armor --export-secret-keys writes it',
      }),
      passphrase: Type.Optional(Type.String({ maxLength: limits.gpgPassphraseLength })),
      publish: Publish,
    },
    { additionalProperties: false },
  ),
  status: 201,
  answer: Type.Object({ gpgKey: GpgKey, revocationCertificate: RevocationCertificate }),
  errors: ['gpg_key.exists', 'gpg_key.limit'],
})

export const getGpgKey = route({
  id: 'gpg-key.get',
  method: 'GET',
  path: `${path}/{gpgKeyId}`,
  summary: 'See one of your GPG keys, with its public key',
  caller: 'person',
  scope: 'gpg-keys:read',
  action: 'gpg-key.list',
  params,
  status: 200,
  answer: GpgKey,
  errors: ['gpg_key.not_found'],
})

export const publishGpgKey = route({
  id: 'gpg-key.publish',
  method: 'POST',
  path: `${path}/{gpgKeyId}/publish`,
  summary: 'Deploy a GPG key to the connected code hosts; says of each what became of it',
  caller: 'person',
  scope: 'gpg-keys:write',
  action: 'gpg-key.publish',
  params,
  status: 200,
  answer: GpgKey,
  errors: ['gpg_key.not_found'],
})

export const revokeGpgKey = route({
  id: 'gpg-key.revocation',
  method: 'POST',
  path: `${path}/{gpgKeyId}/revocation-certificate`,
  summary: 'Make a revocation certificate, to publish when the key must no longer be trusted',
  caller: 'person',
  scope: 'gpg-keys:write',
  action: 'gpg-key.revocation',
  params,
  status: 200,
  answer: Type.Object({ revocationCertificate: RevocationCertificate }),
  errors: ['gpg_key.not_found'],
})

export const deleteGpgKey = route({
  id: 'gpg-key.delete',
  method: 'DELETE',
  path: `${path}/{gpgKeyId}`,
  summary: 'Delete a GPG key, also at the code hosts it was deployed to; says of each whether that worked',
  caller: 'person',
  scope: 'gpg-keys:write',
  action: 'gpg-key.delete',
  params,
  status: 200,
  answer: Type.Object({
    removals: Type.Array(
      Type.Object({
        connectionId: Type.String(),
        provider: Type.String(),
        status: OneOf(['removed', 'failed']),
        reason: Nullable(Type.String()),
      }),
    ),
  }),
  errors: ['gpg_key.not_found'],
})
