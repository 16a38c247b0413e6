import Type from 'typebox'
import { route } from '../route.ts'
import { Id, Nullable } from './shapes.ts'

const Fingerprint = Type.String({ description: 'As ssh-keygen -l prints it: SHA256:…' })
const KeyLine = Type.String({ description: 'Type and key, as in a .pub file, without comment' })

/** What a client has to know of the gateway. */
export const getSshGateway = route({
  id: 'ssh.get',
  method: 'GET',
  path: '/api/v1/ssh',
  summary: 'See how the SSH gateway is reached and known',
  caller: 'person',
  scope: 'workspaces:read',
  action: 'ssh.read',
  status: 200,
  answer: Type.Object({
    host: Type.String(),
    port: Type.Integer(),
    hostKey: KeyLine,
    hostKeyFingerprint: Fingerprint,
    /** Vouches for the host keys of workspaces, `@cert-authority ws-*` in known_hosts. */
    certificateAuthority: KeyLine,
  }),
  errors: ['ssh.off'],
})

export const getWorkspaceSsh = route({
  id: 'ssh.workspace',
  method: 'GET',
  path: '/api/v1/workspaces/{workspaceId}/ssh',
  summary: 'See how a workspace is entered with ssh (owner, Admin, Edit)',
  caller: 'person',
  scope: 'workspaces:read',
  action: 'ssh.read',
  params: Type.Object({ workspaceId: Id }),
  status: 200,
  answer: Type.Object({
    command: Type.String({ description: 'To paste into a terminal' }),
    user: Type.String(),
    jump: Type.String({ description: 'The gateway, with its port where that is not 22' }),
    /** A block for `~/.ssh/config`. */
    configuration: Type.String(),
    gatewayFingerprint: Fingerprint,
    /** Of the workspace's own SSH server; null until its agent has told it. */
    workspaceFingerprint: Nullable(Fingerprint),
  }),
  errors: ['workspace.not_found', 'agent.not_enrolled', 'ssh.off'],
})
