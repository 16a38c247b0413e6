import * as api from '@keyhold/contract/api/workspace-agents'
import { Secret } from '@keyhold/contract/secret'
import type { Machine, Person, WorkspaceAgent } from '../access/caller.ts'
import type { Http } from '../http/http.ts'
import type { AgentBounds } from './agent-bounds.ts'
import type { AgentConnections } from './agent-connections.ts'
import type { AgentFacts, Agents } from './agents.service.ts'
import { SERVER_TUNNEL_HEADER, SERVER_TUNNEL_PATH } from './server-tunnels.ts'

export function agentRoutes(
  http: Http<Person, Machine, WorkspaceAgent>,
  agents: Agents,
  connections: AgentConnections,
  bounds: AgentBounds,
): void {
  http.person(api.createEnrollment, async ({ caller, origin, params }) => {
    const { token, expiresAt } = await agents.createEnrollment({ caller, origin }, params.workspaceId)
    return { token: token.reveal(), expiresAt: expiresAt.toISOString() }
  })
  http.person(api.disconnectAgent, async ({ caller, origin, params }) => {
    await agents.revoke({ caller, origin }, params.workspaceId)
    await connections.look()
    return undefined
  })
  http.anyone(api.enrollAgent, async ({ origin, body: { enrollmentToken, ...facts } }) => {
    const { workspaceId, name, token } = await agents.enroll(origin, new Secret(enrollmentToken), facts)
    return { workspaceId, name, token: token.reveal() }
  })
  http.workspace(api.getCurrentWorkspace, async ({ caller, origin }) => {
    const { renewAt } = await agents.get({ caller, origin })
    const { workspaceId, name, epoch } = caller
    return { workspaceId, name, epoch, renewAt: renewAt.toISOString() }
  })
  http.workspace(api.renewCredential, async ({ caller, origin }) => {
    bounds.admit(caller.workspaceId)
    return { token: (await agents.renew({ caller, origin })).reveal() }
  })
  http.workspace(api.certifyHostKey, async ({ caller, origin, body }) => {
    bounds.admit(caller.workspaceId)
    const { certificate, expiresAt } = await agents.certify({ caller, origin }, body.publicKey)
    return { certificate, expiresAt: expiresAt.toISOString() }
  })
  http.socket(api.AGENT_TUNNEL_PATH, ({ socket, caller, params, header }) => {
    // Until both ends are there: the first bytes must find somebody who listens.
    socket.pause()
    const token = header(api.tunnelHeaders.token) ?? ''
    const failure = header(api.tunnelHeaders.failure)
    void connections
      .attachTunnel(caller, { id: params.tunnelId ?? '', token, failure }, socket)
      .catch(() => socket.terminate())
  })
  http.serverSocket(
    SERVER_TUNNEL_PATH,
    (header) => connections.readWish(header(SERVER_TUNNEL_HEADER) ?? ''),
    (wish, socket) => {
      socket.pause()
      connections.grant(wish, socket)
    },
  )
  http.socket(
    api.AGENT_CONNECTION_PATH,
    ({ socket, caller, origin, header }) => {
      void connections.attach({ caller, origin }, socket, factsOf(header))
    },
    (caller) => bounds.admit(caller.workspaceId, CONNECTION_RECORDS),
  )
}

/** That it begins, and that it ends. */
const CONNECTION_RECORDS = 2

const LOGIN_NAME = new RegExp(api.loginNamePattern)
const RELEASE = /^[0-9A-Za-z.+-]{1,40}$/

/** What the agent says of itself with its request; nothing is decided by it. */
function factsOf(header: (name: string) => string | undefined): AgentFacts {
  const loginName = header(api.agentHeaders.loginName) ?? ''
  const release = header(api.agentHeaders.release) ?? ''
  const applied = header(api.agentHeaders.applied)
  return {
    loginName: LOGIN_NAME.test(loginName) ? loginName : 'unknown',
    release: RELEASE.test(release) ? release : 'unknown',
    ...(applied !== undefined && { applied }),
  }
}
