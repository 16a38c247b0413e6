/**
 * Everything that can be allowed, refused and recorded. The audit log uses these names and no second vocabulary;
 * `line` is how an event reads in the log's line form (`2024-06-12 14:30:22 - Secret created: GITHUB_TOKEN`).
 */
export const actions = {
  'access-key.activate': { line: 'Access key activated' },
  'access-key.authenticate': { line: 'Access key presented' },
  'access-key.create': { line: 'Access key created' },
  'access-key.deactivate': { line: 'Access key deactivated' },
  'access-key.delete': { line: 'Access key deleted' },
  'access-key.list': { line: 'Access keys listed' },
  'access-key.regenerate': { line: 'Access key regenerated' },
  'access-key.update': { line: 'Access key updated' },
  'access-token.create': { line: 'Access token created' },
  'access-token.delete': { line: 'Access token deleted' },
  'access-token.list': { line: 'Access tokens listed' },
  'account.create': { line: 'Account created' },
  'account.list': { line: 'Accounts listed' },
  'account.password': { line: 'Password changed' },
  'account.update': { line: 'Account updated' },
  'audit.export': { line: 'Audit log exported' },
  'audit.read': { line: 'Audit log read' },
  'environment.create': { line: 'Environment created' },
  'environment.delete': { line: 'Environment deleted' },
  'environment.list': { line: 'Environments listed' },
  'environment.update': { line: 'Environment updated' },
  'instance.setup': { line: 'Instance set up' },
  'member.create': { line: 'Member added' },
  'member.delete': { line: 'Member removed' },
  'member.list': { line: 'Members listed' },
  'member.update': { line: 'Member updated' },
  'project.create': { line: 'Project created' },
  'project.delete': { line: 'Project deleted' },
  'project.read': { line: 'Project read' },
  'project.update': { line: 'Project updated' },
  'secret.compare': { line: 'Secret compared' },
  'secret.create': { line: 'Secret created' },
  'secret.delete': { line: 'Secret deleted' },
  'secret.list': { line: 'Secrets listed' },
  'secret.read': { line: 'Secret accessed' },
  'secret.update': { line: 'Secret updated' },
  'session.create': { line: 'Signed in' },
  'session.reauthenticate': { line: 'Password confirmed' },
  'session.delete': { line: 'Signed out' },
} as const

export type Action = keyof typeof actions

export const actionNames = Object.keys(actions) as Action[] // `as`: the keys of a literal are exactly its key type.

/** How an action ended. `refused`: not allowed; `failed`: allowed, but it could not be done. */
export const outcomes = ['success', 'refused', 'failed'] as const
export type Outcome = (typeof outcomes)[number]

/** What an access token may be limited to. A token without scopes has all its owner's rights. */
export const scopes = {
  'projects:read': 'See projects, their members and environments',
  'projects:write': 'Create and change projects, members and environments',
  'secrets:read': "See the names of projects' secrets, never values",
  'secrets:write': "Create, change and delete projects' secrets",
  'secrets:reveal': 'Read the value of one secret at a time',
  'access-keys:read': "See projects' access keys",
  'access-keys:write':
    'Create, change and delete access keys; a key it makes can read all values of the project',
  'access-tokens:read': 'See your access tokens',
  'access-tokens:write': 'Create and delete your access tokens',
  'accounts:read': 'See accounts (administrators)',
  'accounts:write': 'Create and change accounts (administrators)',
  'audit:read': 'Read and export the audit log',
} as const

export type Scope = keyof typeof scopes

export const scopeNames = Object.keys(scopes) as Scope[] // `as`: the keys of a literal are exactly its key type.
