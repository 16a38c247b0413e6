import Type, { type Static } from 'typebox'
import { limits } from '../limits.ts'
import { route } from '../route.ts'
import { Id, Time, WorkspaceId } from './shapes.ts'

/** What an agent says about itself when it enrolls and when it connects. */
export const loginNamePattern = '^[a-z_][a-z0-9_.-]{0,31}$'
const AgentFacts = {
  loginName: Type.String({
    pattern: loginNamePattern,
    description: 'Name of the account that the agent runs as: small letters, digits, dot, hyphen, underscore',
  }),
  release: Type.String({
    pattern: '^[0-9A-Za-z.+-]{1,40}$',
    description: 'Release of the agent, such as 0.1.0',
  }),
}

const Params = Type.Object({ workspaceId: Id })

/** A token is only ever answered to whoever asked for it. */
const AgentToken = Type.String({ description: 'Shown once; stored as a hash' })

export const createEnrollment = route({
  id: 'agent.create_enrollment',
  method: 'POST',
  path: '/api/v1/workspaces/{workspaceId}/enrollments',
  summary:
    'Make a token with which one agent joins the workspace, within an hour and once (owner). It ends the one made before',
  caller: 'person',
  scope: 'workspaces:write',
  action: 'agent.create-enrollment',
  params: Params,
  status: 201,
  answer: Type.Object({ token: AgentToken, expiresAt: Time }),
  errors: ['workspace.not_found', 'session.reauthentication_required'],
})

export const disconnectAgent = route({
  id: 'agent.disconnect',
  method: 'DELETE',
  path: '/api/v1/workspaces/{workspaceId}/agent',
  summary: 'Cut the agent off, and end its credential and enrollment token (owner)',
  caller: 'person',
  scope: 'workspaces:write',
  action: 'agent.revoke',
  params: Params,
  status: 204,
  errors: ['workspace.not_found', 'agent.not_enrolled'],
})

export const enrollAgent = route({
  id: 'agent.enroll',
  method: 'POST',
  path: '/api/v1/workspaces/current/enrollment',
  summary: 'Join a workspace: exchange an enrollment token for a credential',
  caller: 'anyone',
  action: 'agent.enroll',
  body: Type.Object(
    {
      enrollmentToken: Type.String({ minLength: 1, maxLength: limits.tokenLength }),
      ...AgentFacts,
    },
    { additionalProperties: false },
  ),
  status: 201,
  answer: Type.Object({ workspaceId: WorkspaceId, name: Type.String(), token: AgentToken }),
  errors: ['agent.enrollment_invalid'],
})

export const getCurrentWorkspace = route({
  id: 'agent.get',
  method: 'GET',
  path: '/api/v1/workspaces/current',
  summary: 'See which workspace the credential is of, and when it has to be renewed',
  caller: 'workspace',
  action: 'agent.read',
  status: 200,
  answer: Type.Object({
    workspaceId: WorkspaceId,
    name: Type.String(),
    /** Counts the agents that the workspace has had. */
    epoch: Type.Integer(),
    renewAt: Time,
  }),
})

export const renewCredential = route({
  id: 'agent.renew',
  method: 'POST',
  path: '/api/v1/workspaces/current/credential',
  summary:
    'Get the next credential. The present one is good until the next one is used; after that, whoever shows it ends both',
  caller: 'workspace',
  action: 'agent.renew',
  status: 201,
  answer: Type.Object({ token: AgentToken }),
  errors: ['rate.limited'],
})

export const certifyHostKey = route({
  id: 'agent.certify',
  method: 'POST',
  path: '/api/v1/workspaces/current/host-certificate',
  summary:
    "Get a certificate for the host key of the workspace's SSH server, good for a day. The first key is the one by which the workspace is known",
  caller: 'workspace',
  action: 'agent.certify',
  body: Type.Object(
    {
      publicKey: Type.String({
        maxLength: 200,
        pattern: '^ssh-ed25519 [A-Za-z0-9+/]{68}$',
        description: 'ssh-ed25519 and the key, without comment',
      }),
    },
    { additionalProperties: false },
  ),
  status: 201,
  answer: Type.Object({
    certificate: Type.String({ description: 'One line, as in a -cert.pub file' }),
    expiresAt: Time,
  }),
  errors: ['rate.limited', 'agent.host_key_changed'],
})

/**
 * Where the agent opens its WebSocket. It carries no values and asks nothing: it tells the agent that there is something to
 * fetch, or that it is over.
 */
export const AGENT_CONNECTION_PATH = '/api/v1/workspaces/current/connection'

/** What the server tells an agent: a JSON text frame each. */
export const ControlMessage = Type.Union([
  /** Something that the agent delivers may have changed: fetch it again. Also the first message of each connection. */
  Type.Object({ type: Type.Literal('changed') }),
  /** Somebody comes in by SSH: start a server that takes these keys, and dial {@link AGENT_TUNNEL_PATH}. */
  Type.Object({
    type: Type.Literal('open'),
    tunnelId: Type.String(),
    /** Good once. */
    token: Type.String(),
    accountId: Type.String(),
    name: Type.String(),
    level: Type.Union([Type.Literal('owner'), Type.Literal('admin'), Type.Literal('edit')]),
    /** Of the key that was proven to the gateway. */
    fingerprint: Type.String(),
    /** Lines of `authorized_keys`: all keys of this person, and of nobody else. */
    keys: Type.Array(Type.String()),
    address: Type.String(),
    /** Says whose sessions they are that begin in this connection: for `agent.session`. */
    pass: Type.String(),
  }),
])
export type ControlMessage = Static<typeof ControlMessage>

/** Why the server closes the connection, beside those of RFC 6455 §7.4.1. */
export const closeCodes = {
  /** Another connection of the same agent took its place. */
  replaced: 4001,
  /** The credential is no longer good. */
  revoked: 4003,
} as const

/** Headers in which the agent says who it is when it connects. */
export const agentHeaders = {
  loginName: 'keyhold-login-name',
  release: 'keyhold-agent-release',
  /** `version` of the delivery that is in effect; left out by one that has just started. */
  applied: 'keyhold-applied',
} as const

/**
 * Where the agent dials when it was told to: a WebSocket of the bytes of one SSH connection, in binary frames. A text frame
 * says that one way has ended.
 */
export const AGENT_TUNNEL_PATH = '/api/v1/workspaces/current/tunnels/{tunnelId}'
export const tunnelHeaders = { token: 'keyhold-tunnel-token', failure: 'keyhold-tunnel-failure' } as const

/** Why an agent cannot let anybody in. */
export const tunnelFailures = ['no-ssh-server', 'not-recorded', 'failed'] as const
export type TunnelFailure = (typeof tunnelFailures)[number]
