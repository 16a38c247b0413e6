import Type, { type Static } from 'typebox'
import { limits } from '../limits.ts'
import { route } from '../route.ts'
import { RepositoryMethod } from './repositories.ts'
import { Id, Nullable, Time } from './shapes.ts'

const BASE64 = '^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$'

/** A code host that the owner has connected. */
export const GitHost = Type.Object({
  connectionId: Id,
  /** Host, and port where it is not 443: what git's addresses have to name exactly. */
  host: Type.String(),
  method: RepositoryMethod,
})

/** Who the programs of a workspace are elsewhere: its owner. Names and public halves, no values. */
export const WorkspaceIdentity = Type.Object({
  gitHosts: Type.Array(GitHost),
  /** Of the owner's SSH identity, one line, as OpenSSH writes it; `null`: there is none. */
  sshPublicKey: Nullable(Type.String()),
  /** The newest of the owner's GPG keys that has not expired, with which commits are signed; `null`: there is none. */
  gpgKey: Nullable(Type.Object({ fingerprint: Type.String(), email: Type.String() })),
})
export type WorkspaceIdentity = Static<typeof WorkspaceIdentity>

export const readIdentity = route({
  id: 'agent.identity',
  method: 'GET',
  path: '/api/v1/workspaces/current/identity',
  summary: 'See as whom the programs of the workspace are known elsewhere; never values',
  caller: 'workspace',
  action: 'agent.read',
  status: 200,
  answer: WorkspaceIdentity,
})

export const readGitCredential = route({
  id: 'agent.git_credential',
  method: 'POST',
  path: '/api/v1/workspaces/current/git-credentials',
  summary: "Get the token of the owner's connection to a code host, for git; recorded before it leaves",
  caller: 'workspace',
  action: 'repository.use',
  body: Type.Object(
    {
      host: Type.String({
        minLength: 1,
        maxLength: 255,
        description: 'Exactly as the address names it, with its port where that is not 443',
      }),
      isRejected: Type.Optional(
        Type.Boolean({
          description: 'The host did not accept the last one: refresh it, at most once a minute',
        }),
      ),
    },
    { additionalProperties: false },
  ),
  status: 200,
  answer: Type.Object({
    username: Type.String(),
    password: Type.String(),
    /** `null`: it does not end by itself. */
    expiresAt: Nullable(Time),
  }),
  errors: [
    'rate.limited',
    'repository_connection.not_found',
    'repository_connection.no_token',
    'repository_connection.broken',
    'repository_provider.unavailable',
  ],
})

export const signForSsh = route({
  id: 'agent.sign_ssh',
  method: 'POST',
  path: '/api/v1/workspaces/current/ssh-signatures',
  summary:
    "Sign an SSH login or a commit with the owner's SSH identity, as an SSH agent does; recorded before. Signs nothing else",
  caller: 'workspace',
  action: 'ssh-identity.sign',
  body: Type.Object(
    {
      data: Type.String({
        maxLength: Math.ceil(limits.sshSignBytes / 3) * 4,
        pattern: BASE64,
        description: 'What is to be signed, in base64',
      }),
      flags: Type.Optional(
        Type.Integer({
          minimum: 0,
          maximum: 0xffffffff,
          description: 'Of the request to an agent (RFC 9987, 5.3): 2 or 4 choose the hash for RSA',
        }),
      ),
      destination: Type.Optional(
        Type.Object(
          {
            hostKey: Type.String({ maxLength: limits.sshPublicKeyLength, pattern: BASE64 }),
            signature: Type.String({ maxLength: limits.sshPublicKeyLength, pattern: BASE64 }),
          },
          {
            additionalProperties: false,
            description:
              'Which host the login goes to, as session-bind@openssh.com tells an agent: its key, and its signature of the session. Needed where the identity is for certain hosts',
          },
        ),
      ),
    },
    { additionalProperties: false },
  ),
  status: 200,
  answer: Type.Object({
    /** A signature blob of SSH, in base64. */
    signature: Type.String(),
  }),
  errors: ['rate.limited', 'ssh_identity.not_found', 'ssh_identity.sign_refused'],
})

export const signWithGpg = route({
  id: 'agent.sign_gpg',
  method: 'POST',
  path: '/api/v1/workspaces/current/gpg-signatures',
  summary:
    "Sign a commit, a tag or a push certificate with the owner's GPG key; recorded before. Signs nothing else",
  caller: 'workspace',
  action: 'gpg-key.sign',
  body: Type.Object(
    {
      fingerprint: Type.String({ pattern: '^[0-9A-F]{40}$' }),
      data: Type.String({
        maxLength: Math.ceil(limits.gpgSignBytes / 3) * 4,
        pattern: BASE64,
        description: 'What is to be signed, in base64',
      }),
    },
    { additionalProperties: false },
  ),
  status: 200,
  answer: Type.Object({
    /** Detached and armored. */
    signature: Type.String(),
  }),
  errors: ['rate.limited', 'gpg_key.not_found', 'gpg_key.expired', 'gpg_key.sign_refused'],
})
