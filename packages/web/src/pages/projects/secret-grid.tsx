import { Box, Table, Text, UnstyledButton } from '@mantine/core'
import { ClockIcon, LinkIcon, PersonIcon, PlusIcon } from '@primer/octicons-react'
import { useVirtualizer } from '@tanstack/react-virtual'
import { type CSSProperties, useRef } from 'react'
import type { Environment, ListedSecret } from '../../projects.ts'
import type { Cell, Row } from './grid-rows.ts'
import { secretWords as words } from './messages.ts'

/** Of every row: what is not in view has its place kept by it. */
const ROW_PX = 44

interface Props {
  readonly rows: readonly Row[]
  readonly environments: readonly Environment[]
  readonly mayChange: boolean
  readonly onOpen: (secret: ListedSecret, environment: string) => void
  readonly onAdd: (name: string, environment: string) => void
}

/** The secrets of a project. Only the rows in view are in the document, so that thousands scroll as a few do. */
export function SecretGrid({ rows, environments, mayChange, onOpen, onAdd }: Props) {
  const scroller = useRef<HTMLDivElement>(null)
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: 12,
  })
  const inView = virtualizer.getVirtualItems()
  const above = inView[0]?.start ?? 0
  const below = virtualizer.getTotalSize() - (inView.at(-1)?.end ?? 0)
  // `as`: a variable of the style sheet, which React sets as it is.
  const width = { '--environments': environments.length } as CSSProperties
  return (
    <Box ref={scroller} className="grid" role="region" aria-label={words.grid} tabIndex={0} style={width}>
      <Table
        layout="fixed"
        aria-rowcount={rows.length + 1}
        stickyHeader
        verticalSpacing={0}
        className="grid-table"
      >
        <Table.Thead>
          <Table.Tr aria-rowindex={1}>
            <Table.Th scope="col" className="grid-name">
              {words.name}
            </Table.Th>
            {environments.map(({ id, name }) => (
              <Table.Th key={id} scope="col" className="grid-cell" title={name}>
                <Text inherit truncate>
                  {name}
                </Text>
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          <Space height={above} columns={environments.length + 1} />
          {inView.map(({ index }) => {
            const row = rows[index]
            return (
              row && (
                <Table.Tr key={row.name} aria-rowindex={index + 2} h={ROW_PX}>
                  <Table.Th scope="row" className="grid-name" fw={500} title={row.name}>
                    <Text inherit truncate ff="monospace" size="sm">
                      {row.name}
                    </Text>
                  </Table.Th>
                  {row.cells.map((cell) => (
                    <Table.Td key={cell.environment.id} p={0} className="grid-cell">
                      <CellButton
                        name={row.name}
                        cell={cell}
                        mayChange={mayChange}
                        onOpen={onOpen}
                        onAdd={onAdd}
                      />
                    </Table.Td>
                  ))}
                </Table.Tr>
              )
            )
          })}
          <Space height={below} columns={environments.length + 1} />
        </Table.Tbody>
      </Table>
    </Box>
  )
}

/** In place of rows that are out of view. */
function Space({ height, columns }: { height: number; columns: number }) {
  if (height <= 0) return null
  return (
    // biome-ignore lint/a11y/noAriaHiddenOnFocusable: nothing in it can have the focus.
    <tr aria-hidden="true" style={{ height }}>
      <td colSpan={columns} />
    </tr>
  )
}

interface CellProps extends Pick<Props, 'mayChange' | 'onOpen' | 'onAdd'> {
  readonly name: string
  readonly cell: Cell
}

function CellButton({ name, cell, mayChange, onOpen, onAdd }: CellProps) {
  const { environment, secret, isFromAll, isMine } = cell
  if (!secret) {
    // All need not have a value for what environments have values of their own for.
    const state = environment.isDefault ? words.none : words.missing
    const text = (
      <Text span inherit c={environment.isDefault ? 'dimmed' : 'var(--mantine-color-text)'}>
        {state}
      </Text>
    )
    if (!mayChange) return <Box className="grid-button">{text}</Box>
    return (
      <UnstyledButton
        className="grid-button"
        data-is-missing={!environment.isDefault || undefined}
        onClick={() => onAdd(name, environment.name)}
        aria-label={words.addCell(name, environment.name, environment.isDefault ? words.missing : state)}
      >
        {text}
        <PlusIcon />
      </UnstyledButton>
    )
  }
  const marks = [
    { is: secret.hasReferences, label: words.references, icon: LinkIcon },
    { is: isMine, label: words.mine, icon: PersonIcon },
    { is: secret.isRotationDue, label: words.due, icon: ClockIcon },
  ].filter(({ is }) => is)
  const state = isFromAll ? words.fromAll : words.set(secret.version)
  return (
    <UnstyledButton
      className="grid-button"
      onClick={() => onOpen(secret, environment.name)}
      aria-label={words.cell(name, environment.name, [state, ...marks.map(({ label }) => label)].join(', '))}
    >
      <Text span inherit truncate {...(isFromAll && { c: 'dimmed', fs: 'italic' })}>
        {state}
      </Text>
      {marks.map(({ label, icon: Icon }) => (
        <span key={label} title={label}>
          <Icon />
        </span>
      ))}
    </UnstyledButton>
  )
}
