import Type, { type Static } from 'typebox'
import { route } from '../route.ts'
import { Id, Nullable, OneOf, PersonRef, Time } from './shapes.ts'

/** Somebody who is in a workspace by SSH. */
export const SshSession = Type.Object({
  id: Id,
  person: PersonRef,
  /** As what they came in. */
  level: OneOf(['owner', 'admin', 'edit']),
  address: Type.String({ description: 'From where' }),
  fingerprint: Type.String({ description: 'Of the key that they came with: SHA256:…' }),
  /** Name of the machine whose gateway it goes through. */
  server: Nullable(Type.String()),
  since: Time,
  /** The caller's own. */
  isYours: Type.Boolean(),
})
export type SshSession = Static<typeof SshSession>

export const listSshSessions = route({
  id: 'ssh-session.list',
  method: 'GET',
  path: '/api/v1/workspaces/{workspaceId}/ssh-sessions',
  summary: 'List who is in a workspace by SSH: the owner and Admins everybody, others themselves',
  caller: 'person',
  scope: 'workspaces:read',
  action: 'ssh-session.list',
  params: Type.Object({ workspaceId: Id }),
  status: 200,
  answer: Type.Object({ sshSessions: Type.Array(SshSession) }),
  errors: ['workspace.not_found'],
})

export const endSshSession = route({
  id: 'ssh-session.end',
  method: 'DELETE',
  path: '/api/v1/workspaces/{workspaceId}/ssh-sessions/{sshSessionId}',
  summary: 'End an SSH session within 2 seconds: the owner and Admins any, others their own',
  caller: 'person',
  scope: 'workspaces:write',
  action: 'ssh-session.end',
  params: Type.Object({ workspaceId: Id, sshSessionId: Id }),
  status: 204,
  errors: ['workspace.not_found', 'ssh_session.not_found'],
})
