import {
  ActionIcon,
  AppShell,
  Box,
  Burger,
  Button,
  Group,
  Menu,
  NavLink,
  ScrollArea,
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
import { Link, Outlet, useNavigate, useParams } from '@tanstack/react-router'
import { Fragment } from 'react'
import { useIsAdmin } from '../accounts.ts'
import { callPlainly } from '../api.ts'
import { forgetSession, sessionQuery } from '../session.ts'
import { CommandPalette } from './command-palette.tsx'
import { shared } from './messages.ts'
import { type Place, placesFor, projectPlaces, workspacePlaces } from './places.ts'

/** What is around every page of somebody who is signed in. */
export function Shell() {
  const [isOpen, navigation] = useDisclosure()
  const places = placesFor(useIsAdmin())
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
        <AppShell.Section grow component={ScrollArea}>
          {places.map((place, i) => (
            <Fragment key={place.to}>
              <NavPlace
                {...place}
                group={groupOf(place) === groupOf(places[i - 1]) ? undefined : groupOf(place)}
                onGo={navigation.close}
              />
              {place.to === '/projects' && <ProjectPlaces onGo={navigation.close} />}
              {place.to === '/workspaces' && <WorkspacePlaces onGo={navigation.close} />}
            </Fragment>
          ))}
        </AppShell.Section>
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

/** The color of its own has too little contrast under the pointer; the ground says which one it is. */
const readable = { label: { color: 'var(--mantine-color-text)' } }

/** The link to where one is looks like it: only there, whatever else is in the address. */
const exactly = { exact: true, includeSearch: false }

/** The pages of the project that one is in. */
function ProjectPlaces({ onGo }: { onGo: () => void }) {
  const { projectId } = useParams({ strict: false })
  if (projectId === undefined) return null
  return (
    <Box pl="lg">
      {projectPlaces.map(({ to, label }) => (
        <NavLink
          key={to}
          renderRoot={(props) => <Link to={to} params={{ projectId }} {...props} activeOptions={exactly} />}
          label={label}
          styles={readable}
          onClick={onGo}
        />
      ))}
      <NavLink
        renderRoot={(props) => <Link to="/activity" search={{ project: projectId }} {...props} />}
        label={shared.activity}
        styles={readable}
        onClick={onGo}
      />
    </Box>
  )
}

/** The pages of the workspace that one is in. */
function WorkspacePlaces({ onGo }: { onGo: () => void }) {
  const { workspaceId } = useParams({ strict: false })
  if (workspaceId === undefined) return null
  return (
    <Box pl="lg">
      {workspacePlaces.map(({ to, label, isExact }) => (
        <NavLink
          key={to}
          renderRoot={(props) => (
            <Link to={to} params={{ workspaceId }} {...props} activeOptions={{ exact: isExact }} />
          )}
          label={label}
          styles={readable}
          onClick={onGo}
        />
      ))}
    </Box>
  )
}

/** The heading that a place stands under. */
const groupOf = (place: Place | undefined): string | undefined =>
  place?.isSetting ? shared.settings : place?.isAdministration ? shared.administration : undefined

function NavPlace({
  to,
  label,
  icon: Icon,
  onGo,
  group,
}: Place & { onGo: () => void; group: string | undefined }) {
  // What has pages below it in the navigation is marked only where it is itself.
  const hasPages = to === '/projects' || to === '/workspaces'
  return (
    <>
      {group !== undefined && (
        <Text size="xs" fw={600} c="dimmed" mt="md" mb={4} px="sm">
          {group}
        </Text>
      )}
      <NavLink
        renderRoot={(props) => (
          <Link to={to} {...props} activeOptions={hasPages ? exactly : { includeSearch: false }} />
        )}
        label={label}
        leftSection={<Icon />}
        styles={readable}
        // On a narrow screen the navigation covers the page that it leads to.
        onClick={onGo}
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
