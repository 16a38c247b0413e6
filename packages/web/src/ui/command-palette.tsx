import { Spotlight } from '@mantine/spotlight'
import { SearchIcon } from '@primer/octicons-react'
import { useNavigate } from '@tanstack/react-router'
import { useIsAdmin } from '../accounts.ts'
import { shared } from './messages.ts'
import { placesFor } from './places.ts'

/** Goes to any place by its name: Ctrl+K. */
export function CommandPalette() {
  const navigate = useNavigate()
  const actions = placesFor(useIsAdmin()).map(({ to, label, icon: Icon }) => ({
    id: to,
    label,
    leftSection: <Icon />,
    onClick: () => void navigate({ to }),
  }))
  return (
    <Spotlight
      actions={actions}
      shortcut="mod + K"
      nothingFound={shared.paletteEmpty}
      highlightQuery
      attributes={{ content: { 'aria-label': shared.palette } }}
      searchProps={{ leftSection: <SearchIcon />, placeholder: shared.palette, 'aria-label': shared.palette }}
    />
  )
}
