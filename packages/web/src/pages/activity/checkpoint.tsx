import { Button, Code, Group, Paper, Stack, Text, Textarea, TextInput, Title } from '@mantine/core'
import { DownloadIcon } from '@primer/octicons-react'
import { useQuery } from '@tanstack/react-query'
import { useId, useState } from 'react'
import { call } from '../../api.ts'
import { ErrorMessage } from '../../ui/error-message.tsx'
import { QueryView } from '../../ui/query-view.tsx'
import { saveFile } from '../../ui/save-file.ts'
import { useAction } from '../../ui/use-action.ts'
import { sizeOf, type Verdict, verifyCheckpoint, verifyGrowth } from '../../verification.ts'
import { verifyWords } from './messages.ts'
import { VerdictAlert } from './record-dialog.tsx'

interface Proven {
  readonly size: number
  /** Size of the checkpoint that somebody kept. */
  readonly before?: number
}

/** The signed head of the log, and what this browser can prove by it. */
export function CheckpointPanel() {
  const heading = useId()
  const query = useQuery({ queryKey: ['audit-checkpoint'], queryFn: () => call('audit.checkpoint') })
  const [kept, setKept] = useState('')
  const [keptKey, setKeptKey] = useState('')
  const [verdict, setVerdict] = useState<Verdict<Proven>>()
  const verify = useAction(async () => {
    setVerdict(undefined)
    setVerdict(await verifyHead(kept, keptKey))
    await query.refetch()
  })
  return (
    <Paper withBorder p="lg" component="section" aria-labelledby={heading}>
      <Stack>
        <div>
          <Title order={2} size="h4" id={heading}>
            {verifyWords.title}
          </Title>
          <Text size="sm" c="dimmed">
            {verifyWords.lead}
          </Text>
        </div>
        <QueryView query={query}>
          {({ checkpoint, verifierKey }) => (
            <>
              <div>
                <Text size="sm" fw={600} mb={4}>
                  {verifyWords.key}
                </Text>
                <Code block className="breaks wraps">
                  {verifierKey}
                </Code>
              </div>
              <Code block className="breaks wraps" role="group" aria-label={verifyWords.title}>
                {checkpoint}
              </Code>
              <Group>
                <Button
                  variant="default"
                  leftSection={<DownloadIcon />}
                  onClick={() =>
                    saveFile(`keyhold-${sizeOf(checkpoint)}.checkpoint`, `${verifierKey}\n${checkpoint}`)
                  }
                >
                  {verifyWords.download}
                </Button>
              </Group>
            </>
          )}
        </QueryView>
        <form
          onSubmit={(event) => {
            event.preventDefault()
            void verify.run()
          }}
        >
          <Stack align="stretch">
            <Textarea
              label={verifyWords.kept}
              description={verifyWords.keptHelp}
              value={kept}
              onChange={(event) => setKept(event.currentTarget.value)}
              autosize
              minRows={3}
              maxRows={8}
              spellCheck={false}
            />
            <TextInput
              label={verifyWords.keptKey}
              description={verifyWords.keptKeyHelp}
              value={keptKey}
              onChange={(event) => setKeptKey(event.currentTarget.value)}
              autoComplete="off"
              spellCheck={false}
            />
            <ErrorMessage error={verify.error} />
            <Group>
              <Button type="submit" loading={verify.isRunning}>
                {verifyWords.verify}
              </Button>
            </Group>
            {verdict && (
              <VerdictAlert
                verdict={verdict}
                proven={({ size, before }) => (
                  <>
                    <Text>{verifyWords.signed(size)}</Text>
                    {before !== undefined && <Text>{verifyWords.grown(before, size)}</Text>}
                    {keyIn(kept, keptKey) === undefined && <Text>{verifyWords.ownWord}</Text>}
                  </>
                )}
              />
            )}
          </Stack>
        </form>
      </Stack>
    </Paper>
  )
}

/** A file of `keyhold audit check`, and of this page, has the key on its first line. */
const KEY_LINE = /^keyhold-audit\/[^\s+]+\+[0-9a-f]{8}\+\S+$/

const splitKept = (text: string) => {
  const lines = text.trim().split('\n')
  const hasKey = KEY_LINE.test(lines[0]?.trim() ?? '')
  return {
    key: hasKey ? lines[0]?.trim() : undefined,
    note: `${(hasKey ? lines.slice(1) : lines).join('\n')}\n`,
  }
}

/** The key to trust besides the server's word: noted, or with the checkpoint. */
const keyIn = (kept: string, keptKey: string): string | undefined => keptKey.trim() || splitKept(kept).key

async function verifyHead(kept: string, keptKey: string): Promise<Verdict<Proven>> {
  const { note } = splitKept(kept)
  if (kept.trim() === '') {
    const { checkpoint, verifierKey } = await call('audit.checkpoint')
    const verdict = await verifyCheckpoint(checkpoint, keyIn(kept, keptKey) ?? verifierKey)
    return verdict.flaw ? verdict : { size: verdict.checkpoint.size }
  }
  const size = sizeOf(note)
  if (!Number.isSafeInteger(size)) return { flaw: 'badKept' }
  const { checkpoint: head, verifierKey } = await call('audit.checkpoint')
  if (sizeOf(head) < size) return { flaw: 'setBack' }
  const grown = await call('audit.growth', { query: { size } })
  const verdict = await verifyGrowth(note, grown, keyIn(kept, keptKey) ?? verifierKey)
  return verdict.flaw ? verdict : { size: verdict.now, before: verdict.before }
}
