/**
 * Addresses of the web application. The server answers them with its page and no others, so that a mistyped address of
 * the API stays an error; `:name` stands for one part of a path.
 */
export const pages = [
  '/',
  '/activity',
  '/device',
  '/invite',
  '/password',
  '/projects',
  '/projects/:projectId',
  '/projects/:projectId/access-keys',
  '/projects/:projectId/environments',
  '/projects/:projectId/members',
  '/projects/:projectId/settings',
  '/security',
  '/security/expiry',
  '/settings/access-token',
  '/settings/sign-in',
  '/setup',
  '/sign-in',
  '/workspaces',
  '/workspaces/:workspaceId',
  '/workspaces/:workspaceId/settings',
  '/workspaces/:workspaceId/settings/agent',
  '/workspaces/:workspaceId/settings/environments',
  '/workspaces/:workspaceId/settings/secrets',
  '/workspaces/:workspaceId/settings/sharing',
] as const
