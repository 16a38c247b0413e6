import type { Action } from '@keyhold/contract/actions'
import type { ProjectRole } from '@keyhold/contract/api/projects'
import type { WorkspaceLevel } from '@keyhold/contract/api/workspaces'

/*
 * Who may do what, as tables. What is not listed is refused.
 */

const everyone: readonly ProjectRole[] = ['admin', 'regular', 'read_only']
const editors: readonly ProjectRole[] = ['admin', 'regular']
const admins: readonly ProjectRole[] = ['admin']

/** What the members of a project may do in it. */
export const projectRules: Partial<Record<Action, readonly ProjectRole[]>> = {
  'project.read': everyone,
  'project.update': admins,
  'project.delete': admins,
  'member.list': everyone,
  'member.create': admins,
  'member.update': admins,
  'member.delete': admins,
  'environment.list': everyone,
  'environment.create': editors,
  'environment.update': editors,
  'environment.delete': editors,
  'environment.restore': editors,
  'secret.list': everyone,
  'secret.read': everyone,
  'secret.create': editors,
  'secret.update': editors,
  'secret.import': editors,
  'secret.compare': everyone,
  'secret.watch': everyone,
  'secret.delete': editors,
  'secret.use': everyone,
  // Their own values, for whoever may read the project's.
  'secret-override.create': everyone,
  'secret-override.update': everyone,
  'secret-override.delete': everyone,
  'secret-override.read': everyone,
  'access-key.list': everyone,
  'access-key.create': editors,
  'access-key.update': editors,
  'access-key.activate': editors,
  'access-key.deactivate': editors,
  'access-key.regenerate': editors,
  'access-key.delete': editors,
  'workload-identity.list': everyone,
  'workload-identity.create': editors,
  'workload-identity.update': editors,
  'workload-identity.delete': editors,
  'workload-identity.test': everyone,
  'audit.read': admins,
}

const owners: readonly WorkspaceLevel[] = ['owner']
const trusted: readonly WorkspaceLevel[] = ['owner', 'admin']
/** Whose processes get the secrets. */
const runners: readonly WorkspaceLevel[] = ['owner', 'admin', 'edit']
const anyLevel: readonly WorkspaceLevel[] = ['owner', 'admin', 'edit', 'view']

/** What the owner of a workspace and those it is shared with may do in it (acceptance 6.1). */
export const workspaceRules: Partial<Record<Action, readonly WorkspaceLevel[]>> = {
  'workspace.read': anyLevel,
  'workspace.update': owners,
  'workspace.delete': owners,
  // Whoever enrolls the agent decides which machine gets the secrets.
  'agent.create-enrollment': owners,
  'agent.revoke': owners,
  'workspace.variables': runners,
  'workspace-secret.list': runners,
  'workspace-secret.create': owners,
  'workspace-secret.update': owners,
  'workspace-secret.delete': owners,
  'workspace-secret.read': trusted,
  'store-source.list': runners,
  // What comes of it goes into every process of the workspace.
  'store-source.create': owners,
  'store-source.delete': owners,
  'ssh.connect': runners,
  'ssh.read': runners,
  // Of others for the owner and Admins alone, which the service looks at.
  'ssh-session.list': runners,
  'ssh-session.end': runners,
  'share.list': trusted,
  'share.create': owners,
  'share.update': owners,
  // Those it is shared with may leave; whose share it is, the service looks at.
  'share.delete': anyLevel,
}

/** What the agent of a workspace may do in it. */
export const agentActions: ReadonlySet<Action> = new Set([
  'secret.use',
  'agent.apply',
  'agent.certify',
  'agent.connect',
  'agent.deliver',
  'agent.read',
  'agent.renew',
  'agent.start',
  'store-secret.use',
  'store.fetch',
  'workspace-secret.use',
])

/** What the agent of a workspace may do with what is its owner's, whose programs run there. */
export const agentOwnActions: ReadonlySet<Action> = new Set([
  'gpg-key.sign',
  'personal-secret.use',
  'repository.refresh',
  'repository.use',
  'ssh-identity.sign',
])

/** What an access key may do in its project. No key deletes anything (acceptance KEY-5). */
export const machineRules: Partial<Record<Action, readonly ('read' | 'read_write')[]>> = {
  'project.read': ['read', 'read_write'],
  'environment.list': ['read', 'read_write'],
  'secret.list': ['read', 'read_write'],
  'secret.read': ['read', 'read_write'],
  'secret.watch': ['read', 'read_write'],
  'secret.create': ['read_write'],
  'secret.update': ['read_write'],
  'secret.use': ['read', 'read_write'],
}

/** What people may do on the instance, outside projects. `member` includes administrators. */
export const instanceRules: Partial<Record<Action, 'member' | 'admin'>> = {
  'project.create': 'member',
  'workspace.create': 'member',
  'account.password': 'member',
  'session.create': 'member',
  'session.reauthenticate': 'member',
  'session.delete': 'member',
  'account.list': 'admin',
  'account.create': 'admin',
  'account.update': 'admin',
  'account.end-sessions': 'admin',
  'account.reset-second-factor': 'admin',
  'audit.read': 'member',
  'audit.export': 'admin',
  'invitation.create': 'admin',
  'invitation.list': 'admin',
  'invitation.renew': 'admin',
  'invitation.revoke': 'admin',
  'identity-provider.list': 'admin',
  'identity-provider.create': 'admin',
  'identity-provider.update': 'admin',
  'identity-provider.delete': 'admin',
  'identity-provider.test': 'admin',
  'audit-destination.list': 'admin',
  'audit-destination.create': 'admin',
  'audit-destination.delete': 'admin',
  'repository-provider.list': 'member',
  'repository-provider.create': 'admin',
  'repository-provider.update': 'admin',
  'repository-provider.delete': 'admin',
  'instance.read': 'admin',
  'template.list': 'member',
  'template.create': 'member',
  // Its owner and administrators, which the service looks at.
  'template.update': 'member',
  'template.delete': 'member',
  'store.list': 'member',
  'store.create': 'admin',
  'store.update': 'admin',
  'store.delete': 'admin',
  'store.check': 'admin',
  'settings.read': 'member',
  'ssh.read': 'member',
  'settings.update': 'admin',
}

/** What every person may do with what is their own. */
export const ownActions: ReadonlySet<Action> = new Set([
  'access-token.list',
  'access-token.create',
  'access-token.delete',
  'api-key.list',
  'api-key.create',
  'api-key.update',
  'api-key.delete',
  'api-key.use',
  'credential.list',
  'device-login.approve',
  'device-login.deny',
  'device-login.finish',
  'device-login.read',
  'gpg-key.list',
  'gpg-key.create',
  'gpg-key.delete',
  'gpg-key.publish',
  'gpg-key.revocation',
  'gpg-key.sign',
  'identity-link.list',
  'identity-link.create',
  'identity-link.delete',
  'passkey.list',
  'passkey.create',
  'passkey.update',
  'passkey.delete',
  'personal-secret.list',
  'personal-secret.create',
  'personal-secret.update',
  'personal-secret.delete',
  'personal-secret.read',
  'personal-secret.use',
  'reminder-webhook.read',
  'reminder-webhook.update',
  'reminder-webhook.delete',
  'reminder-webhook.test',
  'repository.list',
  'repository.connect',
  'repository.update',
  'repository.refresh',
  'repository.use',
  'repository.disconnect',
  'second-factor.read',
  'second-factor.begin',
  'second-factor.create',
  'second-factor.update',
  'second-factor.delete',
  'session.list',
  'session.end',
  'ssh-identity.read',
  'ssh-identity.create',
  'ssh-identity.delete',
  'ssh-identity.restrict',
  'ssh-identity.sign',
  'ssh-key.list',
  'ssh-key.create',
  'ssh-key.delete',
  'ssh-key.use',
])
