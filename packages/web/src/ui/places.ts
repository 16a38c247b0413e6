import { HistoryIcon, HomeIcon, KeyIcon, PersonIcon, ShieldLockIcon } from '@primer/octicons-react'
import { shared } from './messages.ts'

export interface Place {
  readonly to: '/' | '/activity' | '/security' | '/settings/access-token' | '/settings/sign-in'
  readonly label: string
  readonly icon: typeof HomeIcon
  readonly isSetting?: boolean
}

/** Where the navigation leads; the command palette offers the same. */
export const places: readonly Place[] = [
  { to: '/', label: shared.home, icon: HomeIcon },
  { to: '/security', label: shared.security, icon: ShieldLockIcon },
  { to: '/activity', label: shared.activity, icon: HistoryIcon },
  { to: '/settings/access-token', label: shared.accessToken, icon: KeyIcon, isSetting: true },
  { to: '/settings/sign-in', label: shared.signInMethods, icon: PersonIcon, isSetting: true },
]
