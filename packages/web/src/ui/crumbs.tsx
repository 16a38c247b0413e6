import { Breadcrumbs } from '@mantine/core'
import type { ReactNode } from 'react'
import { shared } from './messages.ts'

/** Where a page is: links to those above it. */
export function Crumbs({ children }: { children: ReactNode }) {
  return (
    <Breadcrumbs
      component="nav"
      aria-label={shared.crumbs}
      separatorMargin={6}
      mb={4}
      fz="sm"
      className="breaks"
    >
      {children}
    </Breadcrumbs>
  )
}
