import { Alert, Table } from '@mantine/core'
import { CheckIcon } from '@primer/octicons-react'
import { useQuery } from '@tanstack/react-query'
import { type Credential, credentialsQuery } from '../../credentials.ts'
import { projectsQuery } from '../../projects.ts'
import { Reasons, reasonsOf } from '../../ui/credential-state.tsx'
import { FirstSteps } from '../../ui/first-steps.tsx'
import { firstWords, kindNames, shared } from '../../ui/messages.ts'
import { Page } from '../../ui/page.tsx'
import { Part } from '../../ui/part.tsx'
import { QueryView } from '../../ui/query-view.tsx'
import { Time } from '../../ui/time.tsx'
import { words } from './messages.ts'
import { RootKeyReminder } from './root-key-reminder.tsx'

/** What needs attention. */
export function Home() {
  const credentials = useQuery(credentialsQuery)
  const projects = useQuery({
    ...projectsQuery,
    // What is made here is no reason to take it away while somebody copies the commands.
    refetchOnWindowFocus: false,
  })
  return (
    <Page title={words.title} lead={words.lead}>
      <RootKeyReminder />
      {projects.data?.length === 0 && (
        <Part title={firstWords.title} lead={firstWords.lead}>
          <FirstSteps />
        </Part>
      )}
      <QueryView query={credentials}>
        {(all) => <Attention credentials={all.filter((one) => reasonsOf(one).length > 0)} />}
      </QueryView>
    </Page>
  )
}

function Attention({ credentials }: { credentials: Credential[] }) {
  if (credentials.length === 0)
    return (
      <Alert color="green" variant="light" title={words.fine} icon={<CheckIcon />}>
        {words.fineText}
      </Alert>
    )
  return (
    <Table.ScrollContainer minWidth={640}>
      <Table verticalSpacing="sm">
        <Table.Thead>
          <Table.Tr>
            {[words.name, words.kind, words.usedIn, words.why, words.expires].map((label) => (
              <Table.Th key={label} scope="col">
                {label}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {credentials.map((one) => (
            <Table.Tr key={`${one.kind} ${one.id}`}>
              <Table.Td className="breaks">{one.name}</Table.Td>
              <Table.Td>{kindNames[one.kind]}</Table.Td>
              <Table.Td className="breaks">{one.usedIn}</Table.Td>
              <Table.Td>
                <Reasons credential={one} />
              </Table.Td>
              <Table.Td>
                <Time time={one.expiresAt} none={shared.noExpiry} />
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  )
}
