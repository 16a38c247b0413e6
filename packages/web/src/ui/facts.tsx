import type { ReactNode } from 'react'

/** Facts about one thing. What is null, undefined or '' is left out. */
export function Facts({ facts }: { facts: readonly { readonly label: string; readonly fact: ReactNode }[] }) {
  return (
    <dl className="facts">
      {facts
        .filter(({ fact }) => fact !== null && fact !== undefined && fact !== '' && fact !== false)
        .flatMap(({ label, fact }) => [<dt key={label}>{label}</dt>, <dd key={`${label} is`}>{fact}</dd>])}
    </dl>
  )
}
