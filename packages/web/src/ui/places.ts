import {
  ContainerIcon,
  HistoryIcon,
  HomeIcon,
  KeyIcon,
  PersonIcon,
  ProjectIcon,
  ShieldLockIcon,
} from '@primer/octicons-react'
import { shared } from './messages.ts'

export interface Place {
  readonly to:
    | '/'
    | '/activity'
    | '/projects'
    | '/security'
    | '/settings/access-token'
    | '/settings/sign-in'
    | '/workspaces'
  readonly label: string
  readonly icon: typeof HomeIcon
  readonly isSetting?: boolean
}

/** Where the navigation leads; the command palette offers the same. */
export const places: readonly Place[] = [
  { to: '/', label: shared.home, icon: HomeIcon },
  { to: '/projects', label: shared.projects, icon: ProjectIcon },
  { to: '/workspaces', label: shared.workspaces, icon: ContainerIcon },
  { to: '/security', label: shared.security, icon: ShieldLockIcon },
  { to: '/activity', label: shared.activity, icon: HistoryIcon },
  { to: '/settings/access-token', label: shared.accessToken, icon: KeyIcon, isSetting: true },
  { to: '/settings/sign-in', label: shared.signInMethods, icon: PersonIcon, isSetting: true },
]

/** The pages of one project, in the navigation below Projects. */
export const projectPlaces = [
  { to: '/projects/$projectId', label: shared.secrets },
  { to: '/projects/$projectId/environments', label: shared.environments },
  { to: '/projects/$projectId/access-keys', label: shared.accessKeys },
  { to: '/projects/$projectId/members', label: shared.members },
  { to: '/projects/$projectId/settings', label: shared.settings },
] as const

/** The pages of one workspace, in the navigation below Workspaces. */
export const workspacePlaces = [
  { to: '/workspaces/$workspaceId', label: shared.overview, isExact: true },
  { to: '/workspaces/$workspaceId/settings', label: shared.settings, isExact: false },
] as const
