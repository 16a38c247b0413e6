import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from '@tanstack/react-router'
import { around } from './api.ts'
import { readSearch } from './pages/activity/filters.ts'
import { queryClient } from './query-client.ts'
import { forgetSession, safePath, sessionQuery } from './session.ts'
import { FailedPage, NotFoundPage } from './ui/failures.tsx'
import { PlainShell } from './ui/plain-shell.tsx'
import { Shell } from './ui/shell.tsx'

const root = createRootRoute({
  component: Outlet,
  notFoundComponent: () => (
    <PlainShell width="40rem">
      <NotFoundPage />
    </PlainShell>
  ),
})

const atRoot = { getParentRoute: () => root } as const

/** Pages for somebody who is signed in; others go to sign in first, and come back. */
const signedIn = createRoute({
  ...atRoot,
  id: 'signed-in',
  component: Shell,
  beforeLoad: async ({ location }) => {
    const session = await queryClient.ensureQueryData(sessionQuery)
    if (session === null || session.needsSecondFactor)
      throw redirect({ to: '/sign-in', search: { next: location.href } })
    if (session.account.mustChangePassword)
      throw redirect({ to: '/password', search: { next: location.href } })
  },
})

const within = { getParentRoute: () => signedIn } as const
const withNext = { validateSearch: (search: Record<string, unknown>) => ({ next: safePath(search.next) }) }

const tokenOrders = ['createdAt', 'lastUsedAt', 'expiresAt'] as const

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined

/** What is looked for in the grid of secrets, and which cell of it is open. */
const secretSearch = ({ find, missing, secret, environment }: Record<string, unknown>) => ({
  find: textOf(find),
  missing: missing === true ? true : undefined,
  secret: textOf(secret),
  environment: textOf(environment),
})

const routeTree = root.addChildren([
  createRoute({
    ...atRoot,
    ...withNext,
    path: '/sign-in',
    component: lazyRouteComponent(() => import('./pages/sign-in/sign-in.tsx'), 'SignIn'),
  }),
  createRoute({
    ...atRoot,
    ...withNext,
    path: '/password',
    component: lazyRouteComponent(() => import('./pages/password/change-password.tsx'), 'ChangePassword'),
  }),
  createRoute({
    ...atRoot,
    path: '/setup',
    component: lazyRouteComponent(() => import('./pages/set-up/set-up.tsx'), 'SetUp'),
  }),
  createRoute({
    ...atRoot,
    path: '/invite',
    component: lazyRouteComponent(() => import('./pages/invite/invite.tsx'), 'Invite'),
  }),
  signedIn.addChildren([
    createRoute({
      ...within,
      path: '/activity',
      validateSearch: readSearch,
      component: lazyRouteComponent(() => import('./pages/activity/activity.tsx'), 'Activity'),
    }),
    createRoute({
      ...within,
      path: '/administration/audit-destinations',
      component: lazyRouteComponent(() => import('./pages/administration/destinations.tsx'), 'Destinations'),
    }),
    createRoute({
      ...within,
      path: '/administration/instance',
      component: lazyRouteComponent(() => import('./pages/administration/instance.tsx'), 'Instance'),
    }),
    createRoute({
      ...within,
      path: '/administration/people',
      component: lazyRouteComponent(() => import('./pages/administration/people.tsx'), 'People'),
    }),
    createRoute({
      ...within,
      path: '/administration/policies',
      component: lazyRouteComponent(() => import('./pages/administration/policies.tsx'), 'Policies'),
    }),
    createRoute({
      ...within,
      path: '/administration/providers',
      component: lazyRouteComponent(() => import('./pages/administration/providers.tsx'), 'Providers'),
    }),
    createRoute({
      ...within,
      path: '/administration/stores',
      component: lazyRouteComponent(() => import('./pages/administration/stores.tsx'), 'Stores'),
    }),
    createRoute({
      ...within,
      path: '/templates',
      component: lazyRouteComponent(() => import('./pages/templates/templates.tsx'), 'Templates'),
    }),
    createRoute({
      ...within,
      path: '/security',
      component: lazyRouteComponent(() => import('./pages/security/security.tsx'), 'Security'),
    }),
    createRoute({
      ...within,
      path: '/security/ssh',
      component: lazyRouteComponent(() => import('./pages/security/ssh-guide.tsx'), 'SshGuide'),
    }),
    createRoute({
      ...within,
      path: '/security/expiry',
      component: lazyRouteComponent(() => import('./pages/security/expiry.tsx'), 'Expiry'),
    }),
    createRoute({
      ...within,
      path: '/settings/sign-in',
      component: lazyRouteComponent(
        () => import('./pages/sign-in-methods/sign-in-methods.tsx'),
        'SignInMethods',
      ),
    }),
    createRoute({
      ...within,
      path: '/settings/access-token',
      validateSearch: ({ sort }: Record<string, unknown>) => ({
        sort: tokenOrders.find((one) => one === sort) ?? 'createdAt',
      }),
      component: lazyRouteComponent(() => import('./pages/access-token/access-token.tsx'), 'AccessToken'),
    }),
    createRoute({
      ...within,
      path: '/projects',
      component: lazyRouteComponent(() => import('./pages/projects/projects.tsx'), 'Projects'),
    }),
    createRoute({
      ...within,
      path: '/projects/$projectId/access-keys',
      component: lazyRouteComponent(() => import('./pages/projects/access-keys.tsx'), 'AccessKeys'),
    }),
    createRoute({
      ...within,
      path: '/projects/$projectId/environments',
      component: lazyRouteComponent(() => import('./pages/projects/environments.tsx'), 'Environments'),
    }),
    createRoute({
      ...within,
      path: '/projects/$projectId/members',
      component: lazyRouteComponent(() => import('./pages/projects/members.tsx'), 'Members'),
    }),
    createRoute({
      ...within,
      path: '/projects/$projectId/settings',
      component: lazyRouteComponent(() => import('./pages/projects/settings.tsx'), 'ProjectSettings'),
    }),
    createRoute({
      ...within,
      path: '/projects/$projectId',
      validateSearch: (search: Record<string, unknown>) => secretSearch(search),
      component: lazyRouteComponent(() => import('./pages/projects/secrets.tsx'), 'Secrets'),
    }),
    createRoute({
      ...within,
      path: '/workspaces',
      component: lazyRouteComponent(() => import('./pages/workspaces/workspaces.tsx'), 'Workspaces'),
    }),
    createRoute({
      ...within,
      path: '/workspaces/$workspaceId',
      component: lazyRouteComponent(() => import('./pages/workspaces/overview.tsx'), 'Overview'),
    }),
    createRoute({
      ...within,
      path: '/workspaces/$workspaceId/settings',
      component: lazyRouteComponent(() => import('./pages/workspaces/general.tsx'), 'General'),
    }),
    createRoute({
      ...within,
      path: '/workspaces/$workspaceId/settings/secrets',
      component: lazyRouteComponent(() => import('./pages/workspaces/secrets.tsx'), 'WorkspaceSecrets'),
    }),
    createRoute({
      ...within,
      path: '/workspaces/$workspaceId/settings/environments',
      component: lazyRouteComponent(
        () => import('./pages/workspaces/linked-environments.tsx'),
        'LinkedEnvironments',
      ),
    }),
    createRoute({
      ...within,
      path: '/workspaces/$workspaceId/settings/sharing',
      component: lazyRouteComponent(() => import('./pages/workspaces/sharing.tsx'), 'Sharing'),
    }),
    createRoute({
      ...within,
      path: '/workspaces/$workspaceId/settings/agent',
      component: lazyRouteComponent(() => import('./pages/workspaces/agent.tsx'), 'Agent'),
    }),
    createRoute({
      ...within,
      path: '/',
      component: lazyRouteComponent(() => import('./pages/home/home.tsx'), 'Home'),
    }),
    createRoute({
      ...within,
      path: '/device',
      component: lazyRouteComponent(() => import('./pages/device/device.tsx'), 'Device'),
    }),
  ]),
])

export const router = createRouter({
  routeTree,
  defaultPreload: 'intent',
  defaultErrorComponent: FailedPage,
  defaultNotFoundComponent: NotFoundPage,
  defaultPendingMinMs: 0,
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}

/** To sign in, and back to where one was. */
function leave(to: '/sign-in' | '/password'): void {
  const { pathname, href } = router.state.location
  if (pathname !== to) void router.navigate({ to, search: { next: safePath(href) } })
}

around.signedOut = () => {
  // Somebody may come back as another person: nothing that was read stays.
  forgetSession()
  leave('/sign-in')
}
around.unfinished = (code) => {
  if (code === 'second_factor.required') {
    const { pathname } = router.state.location
    if (pathname !== '/settings/sign-in') void router.navigate({ to: '/settings/sign-in' })
    return
  }
  void queryClient.invalidateQueries({ queryKey: sessionQuery.queryKey })
  leave(code === 'account.password_change_required' ? '/password' : '/sign-in')
}
