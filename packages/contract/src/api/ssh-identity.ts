import Type, { type Static } from 'typebox'
import { route } from '../route.ts'
import { Id, Nullable, OneOf, Time } from './shapes.ts'

/** The key pair by which a person is known outside. Its private half signs on the server and never leaves it. */
export const SshIdentity = Type.Object({
  id: Id,
  type: OneOf(['ssh-ed25519', 'ssh-rsa']),
  bits: Type.Integer(),
  /** One line, as OpenSSH writes it: what outside hosts are given. */
  publicKey: Type.String(),
  /** As `ssh-keygen -l` prints it: `SHA256:…` */
  publicKeyFingerprint: Type.String(),
  createdAt: Time,
  /** `null`: "Never". Moves on within one minute of a use. */
  lastUsedAt: Nullable(Time),
})
export type SshIdentity = Static<typeof SshIdentity>

const path = '/api/v1/ssh-identity'

export const getSshIdentity = route({
  id: 'ssh-identity.get',
  method: 'GET',
  path,
  summary: 'See your SSH identity: its public key, never the private one',
  caller: 'person',
  scope: 'ssh-identity:read',
  action: 'ssh-identity.read',
  status: 200,
  answer: SshIdentity,
  errors: ['ssh_identity.not_found'],
})

export const createSshIdentity = route({
  id: 'ssh-identity.create',
  method: 'POST',
  path,
  summary: 'Generate your SSH identity, or replace it: hosts that know the old key then refuse you',
  caller: 'person',
  scope: 'ssh-identity:write',
  action: 'ssh-identity.create',
  body: Type.Object(
    {
      type: Type.Optional(
        OneOf(['ed25519', 'rsa'], { description: 'Default ed25519; rsa has 4096 bits, for old hosts' }),
      ),
      replace: Type.Optional(Type.Boolean({ description: 'Replace the identity there is. Default false' })),
    },
    { additionalProperties: false },
  ),
  status: 201,
  answer: SshIdentity,
  errors: ['ssh_identity.exists'],
})

export const deleteSshIdentity = route({
  id: 'ssh-identity.delete',
  method: 'DELETE',
  path,
  summary: 'Delete your SSH identity; nothing signs with it any more',
  caller: 'person',
  scope: 'ssh-identity:write',
  action: 'ssh-identity.delete',
  status: 204,
  errors: ['ssh_identity.not_found'],
})
