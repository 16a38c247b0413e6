import Type, { type Static } from 'typebox'
import { limits } from '../limits.ts'
import { route } from '../route.ts'
import { Id, Nullable, OneOf, Time } from './shapes.ts'

/** A host that the identity is for. */
export const SshDestination = Type.Object(
  {
    /** What it is called: shown, and written into records. */
    name: Type.String({ minLength: 1, maxLength: 255, pattern: '^[!-~]+$' }),
    /** By which it is known: type and key, as in known_hosts. */
    publicKey: Type.String({ minLength: 1, maxLength: limits.sshPublicKeyLength }),
  },
  { additionalProperties: false },
)

/** The key pair by which a person is known outside. Its private half signs on the server and never leaves it. */
export const SshIdentity = Type.Object({
  id: Id,
  type: OneOf(['ssh-ed25519', 'ssh-rsa']),
  bits: Type.Integer(),
  /** One line, as OpenSSH writes it: what outside hosts are given. */
  publicKey: Type.String(),
  /** As `ssh-keygen -l` prints it: `SHA256:…` */
  publicKeyFingerprint: Type.String(),
  /** The only hosts that it logs in to, from workspaces; none: any. */
  destinations: Type.Array(SshDestination),
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

export const setSshDestinations = route({
  id: 'ssh-identity.destinations',
  method: 'PUT',
  path: `${path}/destinations`,
  summary: 'Set the only hosts that your SSH identity logs in to, by their host keys; none of them: any host',
  caller: 'person',
  scope: 'ssh-identity:write',
  action: 'ssh-identity.restrict',
  body: Type.Object(
    {
      destinations: Type.Array(SshDestination, { maxItems: limits.sshDestinationsPerIdentity }),
    },
    { additionalProperties: false },
  ),
  status: 200,
  answer: SshIdentity,
  errors: ['ssh_identity.not_found'],
})
