import { getSshGateway, getWorkspaceSsh } from '@keyhold/contract/api/ssh'
import { type Access, instance } from '../access/access.ts'
import type { Machine, Person } from '../access/caller.ts'
import { AppError } from '../base/app-error.ts'
import { fingerprintOf } from '../base/ssh-public-key.ts'
import type { Http } from '../http/http.ts'
import type { SshHostKey } from '../vault/ssh-host-keys.ts'
import type { Agents } from '../workspaces/agents.service.ts'

/** Where the gateway is reached from outside; unknown until it listens, and where there is none. */
export interface Entrance {
  gateway: { readonly host: string; readonly port: number } | undefined
}

export function sshRoutes(
  http: Http<Person, Machine>,
  agents: Agents,
  access: Access,
  entrance: Entrance,
  keys: { readonly gateway: SshHostKey; readonly certificateAuthority: SshHostKey },
): void {
  const gateway = () => {
    if (!entrance.gateway) throw new AppError('ssh.off')
    return entrance.gateway
  }
  http.person(getSshGateway, async ({ caller, origin }) =>
    access.check({ caller, origin }, 'ssh.read', instance, async () => ({
      ...gateway(),
      hostKey: keys.gateway.line,
      hostKeyFingerprint: fingerprintOf(keys.gateway.blob),
      certificateAuthority: keys.certificateAuthority.line,
    })),
  )
  http.person(getWorkspaceSsh, async ({ caller, origin, params }) => {
    const id = params.workspaceId
    const { loginName: user, hostKey } = await agents.entrance({ caller, origin }, id)
    const { host, port } = gateway()
    const jump = port === 22 ? host : `${host}:${port}`
    return {
      command: `ssh -J ${jump} ${user}@${id}`,
      user,
      jump,
      configuration: `Host ${id}\n  ProxyJump ${jump}\n  User ${user}\n`,
      gatewayFingerprint: fingerprintOf(keys.gateway.blob),
      workspaceFingerprint: hostKey && fingerprintOf(Buffer.from(hostKey.split(' ')[1] ?? '', 'base64')),
    }
  })
}
