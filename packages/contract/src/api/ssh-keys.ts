import Type, { type Static } from 'typebox'
import { limits } from '../limits.ts'
import { route } from '../route.ts'
import { Id, Nullable, OneOf, Time } from './shapes.ts'

/*
 * The keys that may enter a person's workspaces. These addresses are those of an API that clients exist for, so they
 * have no version, the list is a bare array, and DELETE has a body.
 */

export const SshKey = Type.Object({
  id: Id,
  /** One line, as OpenSSH writes it. */
  publicKey: Type.String(),
  /** As `ssh-keygen -l` prints it: `SHA256:…` */
  publicKeyFingerprint: Type.String(),
  /** The comment of the key, or its fingerprint when it has none. */
  title: Type.String(),
  type: Type.String(),
  bits: Type.Integer(),
  createdAt: Time,
  /** `null`: "No expiry". */
  expiresAt: Nullable(Time),
  /** `null`: "Never". Moves on within one minute of a use. */
  lastUsedAt: Nullable(Time),
  status: OneOf(['active', 'expired']),
})
export type SshKey = Static<typeof SshKey>

const Fingerprint = Type.String({
  maxLength: 200,
  description: 'SHA256 or MD5, with or without its prefix',
})

export const listSshKeys = route({
  id: 'ssh-key.list',
  method: 'GET',
  path: '/api/ssh/keys',
  summary: 'List the SSH keys that may enter your workspaces',
  caller: 'person',
  scope: 'ssh-keys:read',
  action: 'ssh-key.list',
  status: 200,
  answer: Type.Array(SshKey),
})

export const createSshKey = route({
  id: 'ssh-key.create',
  method: 'POST',
  path: '/api/ssh/keys',
  summary: 'Add an SSH key that may enter your workspaces',
  caller: 'person',
  scope: 'ssh-keys:write',
  action: 'ssh-key.create',
  body: Type.Object(
    {
      publicKey: Type.String({
        maxLength: limits.sshPublicKeyLength,
        description: 'The one line of the file that ends in .pub',
      }),
      expiresAt: Type.Optional(Nullable(Time)),
    },
    { additionalProperties: false },
  ),
  status: 201,
  answer: SshKey,
  errors: ['ssh_key.exists', 'ssh_key.is_identity', 'ssh_key.limit'],
})

export const deleteSshKey = route({
  id: 'ssh-key.delete',
  method: 'DELETE',
  path: '/api/ssh/keys',
  summary: 'Remove an SSH key, named by its fingerprint in the body or in the query',
  caller: 'person',
  scope: 'ssh-keys:write',
  action: 'ssh-key.delete',
  query: Type.Object({ publicKeyFingerprint: Type.Optional(Fingerprint) }),
  // Some proxies drop the body of a DELETE: null stands for none.
  body: Nullable(
    Type.Object({ publicKeyFingerprint: Type.Optional(Fingerprint) }, { additionalProperties: false }),
  ),
  status: 204,
  errors: ['ssh_key.not_found'],
})
