import {
  ActionIcon,
  AppShell,
  Box,
  Burger,
  Button,
  Group,
  Menu,
  NavLink,
  Text,
  useMantineColorScheme,
} from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { spotlight } from '@mantine/spotlight'
import {
  DeviceDesktopIcon,
  MoonIcon,
  PersonIcon,
  SearchIcon,
  SignOutIcon,
  SunIcon,
} from '@primer/octicons-react'
import { useQuery } from '@tanstack/react-query'
import { Link, Outlet, useLocation, useNavigate } from '@tanstack/react-router'
import { callPlainly } from '../api.ts'
import { forgetSession, sessionQuery } from '../session.ts'
import { CommandPalette } from './command-palette.tsx'
import { shared } from './messages.ts'
import { type Place, places } from './places.ts'

/** What is around every page of somebody who is signed in. */
export function Shell() {
  const [isOpen, navigation] = useDisclosure()
  const { pathname } = useLocation()
  return (
    <AppShell
      header={{ height: 56 }}
      navbar={{ width: 232, breakpoint: 'sm', collapsed: { mobile: !isOpen } }}
      padding="md"
    >
      <SkipLink />
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group gap="xs" wrap="nowrap">
            <Burger
              opened={isOpen}
              onClick={navigation.toggle}
              hiddenFrom="sm"
              size="sm"
              aria-label={shared.openNavigation}
              aria-expanded={isOpen}
            />
            <Text component={Link} to="/" fw={700} size="lg" c="var(--mantine-color-text)" td="none">
              {shared.application}
            </Text>
          </Group>
          <Group gap="xs" wrap="nowrap">
            <PaletteButton />
            <ColorSchemeMenu />
            <AccountMenu />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="sm" component="nav" aria-label={shared.navigation}>
        {places.map((place) => (
          <NavPlace
            key={place.to}
            {...place}
            onGo={navigation.close}
            isActive={place.to === '/' ? pathname === '/' : pathname.startsWith(place.to)}
          />
        ))}
      </AppShell.Navbar>
      <AppShell.Main id="content" tabIndex={-1} data-focus-target>
        <Box maw="72rem" mx="auto">
          <Outlet />
        </Box>
      </AppShell.Main>
      <CommandPalette />
    </AppShell>
  )
}

function NavPlace({
  to,
  label,
  icon: Icon,
  isActive,
  onGo,
  isSetting,
}: Place & { isActive: boolean; onGo: () => void }) {
  const isFirstSetting = to === places.find((place) => place.isSetting)?.to
  return (
    <>
      {isSetting && isFirstSetting && (
        <Text size="xs" fw={600} c="dimmed" mt="md" mb={4} px="sm">
          {shared.settings}
        </Text>
      )}
      <NavLink
        renderRoot={(props) => <Link to={to} {...props} aria-current={isActive ? 'page' : undefined} />}
        label={label}
        leftSection={<Icon />}
        active={isActive}
        // The color of its own has too little contrast under the pointer; the ground says which one it is.
        styles={{ label: { color: 'var(--mantine-color-text)' } }}
        // On a narrow screen the navigation covers the page that it leads to.
        onClick={onGo}
        variant="light"
      />
    </>
  )
}

/** Jumps over what is the same on every page. Hidden until it has the focus. */
export function SkipLink() {
  return (
    <a className="skip-link" href="#content">
      {shared.skip}
    </a>
  )
}

function PaletteButton() {
  return (
    <>
      <Button
        variant="default"
        size="xs"
        visibleFrom="sm"
        leftSection={<SearchIcon />}
        onClick={spotlight.open}
      >
        {shared.palette}
      </Button>
      <ActionIcon
        variant="default"
        size="lg"
        hiddenFrom="sm"
        onClick={spotlight.open}
        aria-label={shared.palette}
      >
        <SearchIcon />
      </ActionIcon>
    </>
  )
}

const schemes = [
  { value: 'light', label: shared.light, icon: SunIcon },
  { value: 'dark', label: shared.dark, icon: MoonIcon },
  { value: 'auto', label: shared.auto, icon: DeviceDesktopIcon },
] as const

/** Chooses between light and dark, or leaves it to the system. */
export function ColorSchemeMenu() {
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  const Current = schemes.find(({ value }) => value === colorScheme)?.icon ?? DeviceDesktopIcon
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon variant="default" size="lg" aria-label={shared.colorScheme}>
          <Current />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {schemes.map(({ value, label, icon: Icon }) => (
          <Menu.Item
            key={value}
            leftSection={<Icon />}
            onClick={() => setColorScheme(value)}
            aria-current={value === colorScheme}
          >
            {label}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  )
}

function AccountMenu() {
  const { data: session } = useQuery(sessionQuery)
  const navigate = useNavigate()
  const signOut = async () => {
    // Also when it fails: who wants to leave sees nothing more here, and the session ends by itself.
    await callPlainly('session.delete').catch(() => {})
    forgetSession()
    await navigate({ to: '/sign-in' })
  }
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon variant="default" size="lg" aria-label={shared.account}>
          <PersonIcon />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          {session?.account.name}
          <br />
          {session?.account.email}
        </Menu.Label>
        <Menu.Item leftSection={<SignOutIcon />} onClick={() => void signOut()}>
          {shared.signOut}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}
