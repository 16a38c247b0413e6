import { Code, Stack, Table, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { type CallAnswer, call, codeOf } from '../../api.ts'
import { instanceQuery } from '../../instance.ts'
import { Command, CopyIconButton } from '../../ui/copy-button.tsx'
import { StateBadge } from '../../ui/credential-state.tsx'
import { Page } from '../../ui/page.tsx'
import { Grid, Part } from '../../ui/part.tsx'
import { QueryView } from '../../ui/query-view.tsx'
import { Time } from '../../ui/time.tsx'
import { instanceWords as words } from './messages.ts'

type State = CallAnswer<'instance.get'>

/** Administration → Instance. */
export function Instance() {
  const query = useQuery(instanceQuery)
  return (
    <Page title={words.title} lead={words.lead}>
      <QueryView query={query}>
        {(state) => (
          <>
            <Health state={state} />
            <Keys state={state} />
            <Backup state={state} />
            <Options state={state} />
          </>
        )}
      </QueryView>
    </Page>
  )
}

function Health({ state }: { state: State }) {
  return (
    <Part title={words.health} lead={words.healthLead}>
      <Facts
        facts={[
          [words.address, state.url],
          [words.release, state.release],
          [words.database, words.databases[state.database]],
          ...Object.entries(state.checks).map(([name, line]): [string, ReactNode] => [
            words.checks[name] ?? name,
            <Check key={name} line={line} />,
          ]),
          [words.mail, state.hasMail ? words.mailOn : words.mailOff],
        ]}
      />
      <Text fw={600}>{words.servers}</Text>
      <Text size="sm" c="dimmed">
        {words.serversLead}
      </Text>
      <Grid columns={[words.host, words.release, words.started, words.seen]}>
        {state.servers.map((server) => (
          <Table.Tr key={`${server.host} ${server.startedAt}`}>
            <Table.Th scope="row" fw={500} className="breaks">
              {server.host}
            </Table.Th>
            <Table.Td>{server.release}</Table.Td>
            <Table.Td>
              <Time time={server.startedAt} />
            </Table.Td>
            <Table.Td>
              <Time time={server.seenAt} />
            </Table.Td>
          </Table.Tr>
        ))}
      </Grid>
    </Part>
  )
}

/** @param line `ok`, `ok: …`, or what is wrong */
function Check({ line }: { line: string }) {
  const isOk = /^ok\b/.test(line)
  return (
    <>
      <StateBadge label={isOk ? 'ok' : (line.split(':')[0] ?? line)} color={isOk ? 'green' : 'red'} />{' '}
      {line.replace(/^[^:]*:? ?/, '')}
    </>
  )
}

function Facts({ facts }: { facts: readonly (readonly [string, ReactNode])[] }) {
  return (
    <Table withRowBorders={false} verticalSpacing={4} layout="fixed">
      <Table.Tbody>
        {facts.map(([label, value]) => (
          <Table.Tr key={label}>
            <Table.Th scope="row" fw={500} w="30%">
              {label}
            </Table.Th>
            <Table.Td className="breaks">{value}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  )
}

const dateOf = (time: string) => time.slice(0, 10)

function Keys({ state }: { state: State }) {
  const ssh = useQuery({
    queryKey: ['ssh-gateway'],
    queryFn: async () => {
      try {
        return await call('ssh.get')
      } catch (error) {
        if (codeOf(error) === 'ssh.off') return null
        throw error
      }
    },
  })
  return (
    <Part title={words.keys} lead={words.keysLead}>
      {state.rootKeys.map((key) => (
        <Fingerprint
          key={key.fingerprint}
          label={words.rootKey(words.states[key.state])}
          value={key.fingerprint}
          note={
            key.kitProvenAt
              ? words.kitProven(dateOf(key.kitProvenAt))
              : key.kitMadeAt
                ? words.kitMade
                : words.kitMissing
          }
        />
      ))}
      <Fingerprint label={words.verifierKey} value={state.auditVerifierKey} />
      <QueryView query={ssh}>
        {(gateway) =>
          gateway === null ? (
            <Text>{words.sshOff}</Text>
          ) : (
            <>
              <Fingerprint
                label={words.gateway}
                value={gateway.hostKeyFingerprint}
                note={`${gateway.host}:${gateway.port}`}
              />
              <Fingerprint label={words.authority} value={gateway.certificateAuthority} />
            </>
          )
        }
      </QueryView>
    </Part>
  )
}

function Fingerprint({ label, value, note }: { label: string; value: string; note?: string }) {
  return (
    <div>
      <Text size="sm" fw={600}>
        {label}
        {note !== undefined && (
          <Text span inherit fw={400} c="dimmed">
            {` · ${note}`}
          </Text>
        )}
      </Text>
      <Code className="breaks wraps">{value}</Code> <CopyIconButton value={value} name={label} />
    </div>
  )
}

function Backup({ state }: { state: State }) {
  return (
    <Part title={words.backup} lead={words.backupLead}>
      <Facts facts={[[words.lastBackup, <Time key="time" time={state.lastBackupAt} />]]} />
      <Command command={words.backupCommand} name={words.backupName} />
      <Text size="sm" fw={600}>
        {words.kit}
      </Text>
      <Command command={words.kitCommand} name={words.kitName} />
    </Part>
  )
}

function Options({ state }: { state: State }) {
  return (
    <Part title={words.options} lead={words.optionsLead}>
      <Grid columns={[words.option, words.value]}>
        {state.options.map(({ name, isSet, shown, doc }) => (
          <Table.Tr key={name}>
            <Table.Th scope="row" fw={500} maw="28rem">
              <Stack gap={2} align="flex-start">
                <Code>{name}</Code>
                <Text size="sm" c="dimmed" fw={400}>
                  {/* Written for Markdown. */}
                  {doc.replaceAll('`', '')}
                </Text>
              </Stack>
            </Table.Th>
            <Table.Td className="breaks">
              {shown ?? (isSet ? words.isSet : words.none)}{' '}
              {!isSet && shown !== null && (
                <Text span size="sm" c="dimmed">
                  ({words.isDefault})
                </Text>
              )}
            </Table.Td>
          </Table.Tr>
        ))}
      </Grid>
    </Part>
  )
}
