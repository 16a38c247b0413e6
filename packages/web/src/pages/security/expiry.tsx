import { Table, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { credentialsQuery } from '../../credentials.ts'
import { Reasons } from '../../ui/credential-state.tsx'
import { kindNames, shared } from '../../ui/messages.ts'
import { Page } from '../../ui/page.tsx'
import { QueryView } from '../../ui/query-view.tsx'
import { Time } from '../../ui/time.tsx'
import { words } from './messages.ts'

const columns = [
  words.name,
  words.kind,
  words.usedIn,
  words.access,
  words.lastUsed,
  words.expires,
  words.state,
]

/** When everything ends, across all kinds, soonest first: as the server sorts it. */
export function Expiry() {
  const credentials = useQuery(credentialsQuery)
  return (
    <Page title={words.expiryTitle} lead={words.expiryLead}>
      <QueryView query={credentials}>
        {(all) =>
          all.length === 0 ? (
            <Text>{words.expiryEmpty}</Text>
          ) : (
            <Table.ScrollContainer minWidth={760}>
              <Table verticalSpacing="xs">
                <Table.Thead>
                  <Table.Tr>
                    {columns.map((label) => (
                      <Table.Th key={label} scope="col">
                        {label}
                      </Table.Th>
                    ))}
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {all.map((one) => (
                    <Table.Tr key={`${one.kind} ${one.id}`}>
                      <Table.Th scope="row" fw={500} className="breaks">
                        {one.name}
                      </Table.Th>
                      <Table.Td>{kindNames[one.kind]}</Table.Td>
                      <Table.Td className="breaks">{one.usedIn}</Table.Td>
                      <Table.Td className="breaks">{one.accessLevel}</Table.Td>
                      <Table.Td>
                        <Time time={one.lastUsedAt} />
                      </Table.Td>
                      <Table.Td>
                        <Time time={one.expiresAt} none={shared.noExpiry} />
                      </Table.Td>
                      <Table.Td>
                        <Reasons credential={one} />
                      </Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Table.ScrollContainer>
          )
        }
      </QueryView>
    </Page>
  )
}
