import { readEnv, withoutRepeats } from '@keyhold/contract/env-file'
import { limits } from '@keyhold/contract/limits'
import { refusedName } from '@keyhold/contract/names'
import { Alert, Button, FileButton, Group, List, ScrollArea, Table, Text } from '@mantine/core'
import { AlertIcon, UploadIcon } from '@primer/octicons-react'
import { type DragEvent, useState } from 'react'
import { call, KeyholdError } from '../../api.ts'
import { type Environment, type ListedSecret, projectQuery } from '../../projects.ts'
import { ChoiceField, LongTextField } from '../../ui/fields.tsx'
import { FormDialog } from '../../ui/form-dialog.tsx'
import { useChange } from '../../ui/use-change.ts'
import { importWords as words } from './messages.ts'

interface Props {
  readonly projectId: string
  readonly environments: readonly Environment[]
  readonly secrets: readonly ListedSecret[]
  /** What was dropped already. */
  readonly text: string
  readonly onClose: () => void
  /** @param summary what was done, in words */
  readonly onDone: (summary: string) => void
}

const existings = ['refuse', 'skip', 'replace'] as const
type Existing = (typeof existings)[number]

/** What is wrong is said by line; what the file may not name, before it is sent. */
function parse(text: string) {
  const { entries, problems } = withoutRepeats(readEnv(text))
  const refused = entries.flatMap(({ name, line }) => {
    const problem = refusedName(name)?.message
    return problem === undefined ? [] : [{ line, problem }]
  })
  return { entries, problems: [...problems, ...refused].sort((a, b) => a.line - b.line) }
}

/** Stores all secrets of a .env file, or none. */
export function ImportSecrets({ projectId, environments, secrets, text: dropped, onClose, onDone }: Props) {
  const [text, setText] = useState(dropped)
  const [environment, setEnvironment] = useState(environments[0]?.name ?? '')
  const [existing, setExisting] = useState<Existing>('refuse')
  const { entries, problems } = parse(text)
  const there = new Set(secrets.filter((one) => one.environment === environment).map(({ name }) => name))
  const send = useChange([projectQuery(projectId).queryKey], async () => {
    const body = { environment, existing, secrets: entries.map(({ name, value }) => ({ name, value })) }
    const { created, updated, unchanged } = await call('secret.import', { params: { projectId }, body })
    onDone(words.done(created.length, updated.length, unchanged.length))
  })
  const refused = send.error instanceof KeyholdError ? atLines(send.error, entries) : []
  const isBlocked = entries.length === 0 || problems.length > 0 || entries.length > limits.secretsPerImport
  return (
    <FormDialog
      title={words.title}
      submit={entries.length === 0 ? words.nothing : words.submit(entries.length)}
      action={send}
      isBlocked={isBlocked}
      onClose={onClose}
    >
      <Text size="sm">{words.text}</Text>
      <DropTarget onText={setText}>
        <LongTextField
          label={words.lines}
          description={words.linesHelp}
          value={text}
          onValue={setText}
          field="secrets"
          action={send}
          classNames={{ input: 'mono' }}
          minRows={6}
          maxRows={10}
          data-autofocus
        />
      </DropTarget>
      <Group>
        <FileButton
          onChange={(file) => void file?.text().then(setText)}
          inputProps={{ 'aria-label': words.choose, tabIndex: -1 }}
        >
          {(props) => (
            <Button variant="default" leftSection={<UploadIcon />} {...props}>
              {words.choose}
            </Button>
          )}
        </FileButton>
      </Group>
      <Group grow align="flex-start">
        <ChoiceField
          label={words.environment}
          value={environment}
          onValue={setEnvironment}
          choices={environments.map(({ name }) => ({ value: name, label: name }))}
        />
        <ChoiceField
          label={words.existing}
          value={existing}
          onValue={setExisting}
          choices={existings.map((one) => ({ value: one, label: words.existings[one] }))}
        />
      </Group>
      {entries.length > limits.secretsPerImport && (
        <Problems lines={[words.tooMany(entries.length, limits.secretsPerImport)]} />
      )}
      {problems.length > 0 && (
        <Problems lines={problems.map(({ line, problem }) => words.line(line, problem))} />
      )}
      {refused.length > 0 && <Problems lines={refused} />}
      {entries.length > 0 && problems.length === 0 && (
        <Preview names={entries.map(({ name }) => name)} there={there} existing={existing} />
      )}
      <Text size="sm" c="dimmed">
        {words.deleteFile}
      </Text>
    </FormDialog>
  )
}

/** `secrets[2].name` is the third entry of the file. */
function atLines(error: KeyholdError, entries: readonly { name: string; line: number }[]): string[] {
  return error.errors.flatMap(({ field, message }) => {
    const entry = entries[Number(/^secrets\[(\d+)\]/.exec(field)?.[1] ?? -1)]
    return entry ? [words.line(entry.line, `${entry.name} ${message}`)] : []
  })
}

function Problems({ lines }: { lines: readonly string[] }) {
  return (
    <Alert color="red" variant="light" role="alert" title={words.problems} icon={<AlertIcon />}>
      <List size="sm">
        {lines.map((line) => (
          <List.Item key={line}>{line}</List.Item>
        ))}
      </List>
    </Alert>
  )
}

function Preview({
  names,
  there,
  existing,
}: {
  names: readonly string[]
  there: ReadonlySet<string>
  existing: Existing
}) {
  return (
    <ScrollArea.Autosize mah={220} type="auto" viewportProps={{ tabIndex: 0 }}>
      <Table aria-label={words.preview}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th scope="col">{words.name}</Table.Th>
            <Table.Th scope="col">{words.does}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {names.map((name) => (
            <Table.Tr key={name}>
              <Table.Th scope="row" fw={500} className="breaks">
                {name}
              </Table.Th>
              <Table.Td>{words.doesWords[there.has(name) ? existing : 'create']}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </ScrollArea.Autosize>
  )
}

/** Where a file may be dropped. @param onText what is in it */
export function DropTarget({
  onText,
  children,
}: {
  onText: (text: string) => void
  children: React.ReactNode
}) {
  const [isOver, setOver] = useState(false)
  const over = (event: DragEvent) => {
    if (!event.dataTransfer.types.includes('Files')) return
    event.preventDefault()
    setOver(true)
  }
  const drop = (event: DragEvent) => {
    setOver(false)
    const file = event.dataTransfer.files[0]
    if (!file) return
    event.preventDefault()
    void file.text().then(onText)
  }
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: dropping is one way more; pasting and choosing are there.
    <div
      className={isOver ? 'drop-target' : undefined}
      onDragOver={over}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      {children}
    </div>
  )
}
