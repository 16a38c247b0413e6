import type { Action } from '@keyhold/contract/actions'
import type { ProjectRole } from '@keyhold/contract/api/projects'

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
  'secret.list': everyone,
  'secret.read': everyone,
  'secret.create': editors,
  'secret.update': editors,
  'secret.delete': editors,
  'access-key.list': everyone,
  'access-key.create': editors,
  'access-key.update': editors,
  'access-key.activate': editors,
  'access-key.deactivate': editors,
  'access-key.regenerate': editors,
  'access-key.delete': editors,
  'audit.read': admins,
}

/** What an access key may do in its project. No key deletes anything (acceptance KEY-5). */
export const machineRules: Partial<Record<Action, readonly ('read' | 'read_write')[]>> = {
  'project.read': ['read', 'read_write'],
  'environment.list': ['read', 'read_write'],
  'secret.list': ['read', 'read_write'],
  'secret.read': ['read', 'read_write'],
  'secret.create': ['read_write'],
  'secret.update': ['read_write'],
}

/** What people may do on the instance, outside projects. `member` includes administrators. */
export const instanceRules: Partial<Record<Action, 'member' | 'admin'>> = {
  'project.create': 'member',
  'account.password': 'member',
  'access-token.list': 'member',
  'access-token.create': 'member',
  'access-token.delete': 'member',
  'session.create': 'member',
  'session.reauthenticate': 'member',
  'session.delete': 'member',
  'account.list': 'admin',
  'account.create': 'admin',
  'account.update': 'admin',
  'audit.read': 'member',
  'audit.export': 'admin',
}
