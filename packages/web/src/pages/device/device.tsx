import { Button, Code, Group, Paper, Stack, Table, Text, TextInput, Title } from '@mantine/core'
import { useState } from 'react'
import { type CallAnswer, call } from '../../api.ts'
import { CopyIconButton } from '../../ui/copy-button.tsx'
import { ErrorMessage } from '../../ui/error-message.tsx'
import { takeFromFragment } from '../../ui/fragment.ts'
import { Page } from '../../ui/page.tsx'
import { Time } from '../../ui/time.tsx'
import { useAction } from '../../ui/use-action.ts'
import { words } from './messages.ts'

type Login = CallAnswer<'device-login.get'>

/** Where `keyhold login` sends people: shows who asks, and approves it with a code to be typed back. */
export function Device() {
  const [userCode, setUserCode] = useState(() => takeFromFragment('code'))
  const [login, setLogin] = useState<Login>()
  const [outcome, setOutcome] = useState<{ confirmationCode: string } | 'denied'>()
  const find = useAction(async () => setLogin(await call('device-login.get', { body: { userCode } })))
  const approve = useAction(async () =>
    setOutcome(await call('device-login.approve', { body: { userCode } })),
  )
  const deny = useAction(async () => {
    await call('device-login.deny', { body: { userCode } })
    setOutcome('denied')
  })
  const again = () => {
    setLogin(undefined)
    setOutcome(undefined)
    setUserCode('')
  }
  return (
    <Page title={words.title} lead={words.lead}>
      <Paper withBorder p="lg" maw="40rem">
        {outcome === undefined && login === undefined && (
          <form
            onSubmit={(event) => {
              event.preventDefault()
              void find.run()
            }}
          >
            <Stack>
              <TextInput
                label={words.code}
                value={userCode}
                onChange={(event) => setUserCode(event.currentTarget.value)}
                autoComplete="off"
                spellCheck={false}
                required
              />
              <ErrorMessage error={find.error} />
              <Button type="submit" loading={find.isRunning}>
                {words.show}
              </Button>
            </Stack>
          </form>
        )}
        {outcome === undefined && login !== undefined && (
          <Stack>
            <Title order={2} size="h4" className="breaks">
              {words.asks(login.name)}
            </Title>
            <Facts login={login} />
            <ErrorMessage error={approve.error ?? deny.error} />
            <Group justify="flex-end">
              <Button variant="default" onClick={() => void deny.run()} loading={deny.isRunning}>
                {words.deny}
              </Button>
              <Button onClick={() => void approve.run()} loading={approve.isRunning}>
                {words.approve}
              </Button>
            </Group>
          </Stack>
        )}
        {outcome !== undefined && (
          <Stack role="status">
            {outcome === 'denied' ? (
              <Text>{words.denied}</Text>
            ) : (
              <>
                <Text>{words.approved}</Text>
                <Group>
                  <Code fz="xl">{outcome.confirmationCode}</Code>
                  <CopyIconButton value={outcome.confirmationCode} name={words.confirmation} />
                </Group>
              </>
            )}
            <Button variant="default" onClick={again}>
              {words.another}
            </Button>
          </Stack>
        )}
      </Paper>
    </Page>
  )
}

function Facts({ login }: { login: Login }) {
  const facts = [
    [words.machine, login.name],
    [words.from, login.address ?? words.unknown],
    [words.client, login.client ?? words.unknown],
    [words.may, login.token.scopes?.join(', ') ?? words.all],
    [words.until, <Time key="until" time={login.token.expiresAt} isDate />],
  ] as const
  return (
    <Table>
      <Table.Tbody>
        {facts.map(([label, fact]) => (
          <Table.Tr key={label}>
            <Table.Th scope="row">{label}</Table.Th>
            <Table.Td className="breaks">{fact}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  )
}
