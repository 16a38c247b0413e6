import { Spotlight } from '@mantine/spotlight'
import { ContainerIcon, ProjectIcon, SearchIcon } from '@primer/octicons-react'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { useIsAdmin } from '../accounts.ts'
import { projectsQuery } from '../projects.ts'
import { workspacesQuery } from '../workspaces.ts'
import { shared } from './messages.ts'
import { placesFor } from './places.ts'

/** As many as are shown at once: more are found by typing. */
const SHOWN_MAX = 20

/** Goes to any place, project or workspace by its name: Ctrl+K. */
export function CommandPalette() {
  const navigate = useNavigate()
  const isAdmin = useIsAdmin()
  // Read once somebody looks for them.
  const [isUsed, setUsed] = useState(false)
  const { data: projects = [] } = useQuery({ ...projectsQuery, enabled: isUsed })
  const { data: workspaces = [] } = useQuery({ ...workspacesQuery, enabled: isUsed })
  const actions = [
    ...placesFor(isAdmin).map(({ to, label, icon: Icon }) => ({
      id: to,
      label,
      leftSection: <Icon />,
      onClick: () => void navigate({ to }),
    })),
    ...projects.map(({ id, name }) => ({
      id,
      label: name,
      description: shared.project,
      leftSection: <ProjectIcon />,
      onClick: () => void navigate({ to: '/projects/$projectId', params: { projectId: id } }),
    })),
    ...workspaces.map(({ id, name }) => ({
      id,
      label: name,
      description: shared.workspace,
      leftSection: <ContainerIcon />,
      onClick: () => void navigate({ to: '/workspaces/$workspaceId', params: { workspaceId: id } }),
    })),
  ]
  return (
    <Spotlight
      actions={actions}
      shortcut="mod + K"
      nothingFound={shared.paletteEmpty}
      highlightQuery
      limit={SHOWN_MAX}
      scrollable
      onSpotlightOpen={() => setUsed(true)}
      attributes={{ content: { 'aria-label': shared.palette } }}
      searchProps={{ leftSection: <SearchIcon />, placeholder: shared.palette, 'aria-label': shared.palette }}
    />
  )
}
