import { auditLine } from '@keyhold/contract/audit-line'
import { Alert, Button, Code, Group, Modal, Stack, Table, Text } from '@mantine/core'
import { AlertIcon, CheckIcon } from '@primer/octicons-react'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { call } from '../../api.ts'
import { clientName } from '../../ui/client-name.ts'
import { ErrorMessage, ShownError } from '../../ui/error-message.tsx'
import { QueryView } from '../../ui/query-view.tsx'
import { Time } from '../../ui/time.tsx'
import { useAction } from '../../ui/use-action.ts'
import { type Verdict, verifyRecord } from '../../verification.ts'
import type { Filters } from './filters.ts'
import { verifyWords, words } from './messages.ts'
import type { AuditRecord } from './use-records.ts'

interface Props {
  readonly index: number
  readonly nameOf: (record: AuditRecord) => string
  readonly onClose: () => void
}

/** Everything that one record says, and whether it is in the log. */
export function RecordDialog({ index, nameOf, onClose }: Props) {
  const query = useQuery({
    queryKey: ['audit-record', index],
    queryFn: async () => {
      const { records } = await call('audit.list', { query: { start: index, cursor: index + 1, limit: 1 } })
      if (!records[0]) throw new ShownError(words.gone)
      return records[0]
    },
    staleTime: Number.POSITIVE_INFINITY,
  })
  return (
    <Modal opened onClose={onClose} title={words.detailsTitle} size="xl">
      <QueryView query={query}>{(record) => <Details record={record} nameOf={nameOf} />}</QueryView>
    </Modal>
  )
}

function Details({ record, nameOf }: { record: AuditRecord } & Pick<Props, 'nameOf'>) {
  const navigate = useNavigate()
  const narrow = (filters: Filters) => void navigate({ to: '/activity', search: filters })
  const { target, project, actor } = record
  const isSecret = target?.kind.includes('secret') ?? false
  return (
    <Stack>
      <Code block className="breaks wraps">
        {auditLine(record)}
      </Code>
      <Table withRowBorders={false} verticalSpacing={4} layout="fixed">
        <Table.Tbody>
          {fieldsOf(record, nameOf(record)).map(
            ([label, value]) =>
              value !== undefined && (
                <Table.Tr key={label}>
                  <Table.Th scope="row" fw={500} w="9rem">
                    {label}
                  </Table.Th>
                  <Table.Td className="breaks">{value}</Table.Td>
                </Table.Tr>
              ),
          )}
          <Table.Tr>
            <Table.Th scope="row" fw={500}>
              {words.time}
            </Table.Th>
            <Table.Td>
              <Time time={record.time} />
            </Table.Td>
          </Table.Tr>
        </Table.Tbody>
      </Table>
      <Group>
        {isSecret && target?.name !== undefined && (
          <Button
            variant="default"
            size="xs"
            onClick={() => narrow({ secret: target.name, project: project?.id })}
          >
            {words.onlySecret}
          </Button>
        )}
        {actor.id !== undefined && (
          <Button variant="default" size="xs" onClick={() => narrow({ who: actor.id })}>
            {words.onlyWho}
          </Button>
        )}
        {project && (
          <Button variant="default" size="xs" onClick={() => narrow({ project: project.id })}>
            {words.onlyProject}
          </Button>
        )}
        {record.workspace !== undefined && (
          <Button variant="default" size="xs" onClick={() => narrow({ workspace: record.workspace })}>
            {words.onlyWorkspace}
          </Button>
        )}
      </Group>
      <Proof record={record} />
    </Stack>
  )
}

function fieldsOf(record: AuditRecord, who: string): [string, string | undefined][] {
  const { actor, target, use, changed, client } = record
  const ofTarget = target && [
    target.kind,
    target.name,
    target.version !== undefined && words.version(target.version),
    target.id,
  ]
  return [
    [words.index, String(record.index)],
    [words.action, record.action],
    [words.outcome, words.outcomes[record.outcome]],
    [words.reason, record.reason],
    [words.who, actor.id === undefined ? who : `${who} (${actor.id})`],
    [words.credential, actor.credential],
    [words.project, record.project && `${record.project.name ?? ''} (${record.project.id})`.trim()],
    [words.environment, record.environment],
    [words.workspace, record.workspace],
    [words.target, ofTarget?.filter(Boolean).join(' · ')],
    [words.place, use && [use.program, use.file, use.line, use.via].filter(Boolean).join(' · ')],
    [words.host, record.host],
    [words.changed, changed?.join(', ')],
    [words.address, record.address],
    [words.client, client && clientName(client)],
    [words.trace, record.traceId],
  ]
}

function Proof({ record }: { record: AuditRecord }) {
  const [verdict, setVerdict] = useState<Verdict<{ size: number }>>()
  const verify = useAction(async () => {
    setVerdict(undefined)
    const { line: _line, ...shown } = record
    const { verifierKey } = await call('audit.checkpoint')
    const { proof } = await call('audit.prove', { params: { index: record.index } })
    setVerdict(await verifyRecord(proof, shown, verifierKey))
  })
  return (
    <Stack align="flex-start" gap="xs">
      <Button onClick={() => void verify.run()} loading={verify.isRunning}>
        {verifyWords.prove}
      </Button>
      <ErrorMessage error={verify.error} />
      {verdict && (
        <VerdictAlert
          verdict={verdict}
          proven={(proven) => (
            <>
              <Text>{verifyWords.proven(record.index, proven.size)}</Text>
              <Text>{verifyWords.ownWord}</Text>
            </>
          )}
        />
      )}
    </Stack>
  )
}

/** What a verification came to. */
export function VerdictAlert<Proven>({
  verdict,
  proven,
}: {
  verdict: Verdict<Proven>
  proven: (verdict: Proven) => React.ReactNode
}) {
  if (verdict.flaw)
    return (
      <Alert color="red" variant="light" role="alert" icon={<AlertIcon />} title={flawText(verdict.flaw)} />
    )
  return (
    <Alert color="green" variant="light" role="status" icon={<CheckIcon />}>
      {proven(verdict as Proven)}
    </Alert>
  )
}

const flawText = (flaw: NonNullable<Verdict<unknown>['flaw']>): string => verifyWords[flaw]
