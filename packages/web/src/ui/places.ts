import {
  ContainerIcon,
  DatabaseIcon,
  HistoryIcon,
  HomeIcon,
  KeyIcon,
  LawIcon,
  PaperAirplaneIcon,
  PeopleIcon,
  PersonIcon,
  PlugIcon,
  ProjectIcon,
  ServerIcon,
  ShieldLockIcon,
  StackIcon,
} from '@primer/octicons-react'
import { shared } from './messages.ts'

export interface Place {
  readonly to:
    | '/'
    | '/activity'
    | '/administration/audit-destinations'
    | '/administration/instance'
    | '/administration/people'
    | '/administration/policies'
    | '/administration/providers'
    | '/administration/stores'
    | '/projects'
    | '/security'
    | '/settings/access-token'
    | '/settings/sign-in'
    | '/templates'
    | '/workspaces'
  readonly label: string
  readonly icon: typeof HomeIcon
  readonly isSetting?: boolean
  /** Of use to administrators only. */
  readonly isAdministration?: boolean
}

/** Where the navigation leads; the command palette offers the same. */
export const places: readonly Place[] = [
  { to: '/', label: shared.home, icon: HomeIcon },
  { to: '/projects', label: shared.projects, icon: ProjectIcon },
  { to: '/workspaces', label: shared.workspaces, icon: ContainerIcon },
  { to: '/templates', label: shared.templates, icon: StackIcon },
  { to: '/security', label: shared.security, icon: ShieldLockIcon },
  { to: '/activity', label: shared.activity, icon: HistoryIcon },
  { to: '/settings/access-token', label: shared.accessToken, icon: KeyIcon, isSetting: true },
  { to: '/settings/sign-in', label: shared.signInMethods, icon: PersonIcon, isSetting: true },
  { to: '/administration/people', label: shared.people, icon: PeopleIcon, isAdministration: true },
  { to: '/administration/providers', label: shared.providers, icon: PlugIcon, isAdministration: true },
  { to: '/administration/stores', label: shared.stores, icon: DatabaseIcon, isAdministration: true },
  { to: '/administration/policies', label: shared.policies, icon: LawIcon, isAdministration: true },
  {
    to: '/administration/audit-destinations',
    label: shared.auditDestinations,
    icon: PaperAirplaneIcon,
    isAdministration: true,
  },
  { to: '/administration/instance', label: shared.instance, icon: ServerIcon, isAdministration: true },
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

/** The places that are of use to somebody. */
export const placesFor = (isAdmin: boolean): readonly Place[] =>
  isAdmin ? places : places.filter(({ isAdministration }) => !isAdministration)
