import { ActionIcon, List, Menu, Table, Text } from '@mantine/core'
import { KebabHorizontalIcon } from '@primer/octicons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { accountsQuery } from '../../accounts.ts'
import { type CallAnswer, call } from '../../api.ts'
import { sessionQuery } from '../../session.ts'
import { Confirm } from '../../ui/confirm.tsx'
import { StateBadge } from '../../ui/credential-state.tsx'
import { TextField } from '../../ui/fields.tsx'
import { FormDialog } from '../../ui/form-dialog.tsx'
import { Page } from '../../ui/page.tsx'
import { Grid, Part } from '../../ui/part.tsx'
import { QueryView } from '../../ui/query-view.tsx'
import { Time } from '../../ui/time.tsx'
import { useChange } from '../../ui/use-change.ts'
import { Invitations } from './invitations.tsx'
import { peopleWords as words } from './messages.ts'

type Account = CallAnswer<'account.list'>['accounts'][number]

const acts = ['rename', 'role', 'access', 'sessions', 'factor'] as const
type Act = (typeof acts)[number]

/** Administration → People. */
export function People() {
  const query = useQuery(accountsQuery)
  const { data: session } = useQuery(sessionQuery)
  const [asked, setAsked] = useState<{ account: Account; act: Act }>()
  return (
    <Page title={words.title} lead={words.lead}>
      <Part title={words.accounts} lead={words.accountsLead}>
        <QueryView query={query}>
          {(accounts) => (
            <Grid
              columns={[words.name, words.role, words.factor, words.state, words.created]}
              actions={words.actions}
            >
              {accounts.map((account) => (
                <Row
                  key={account.id}
                  account={account}
                  isOwn={account.id === session?.account.id}
                  onAct={(act) => setAsked({ account, act })}
                />
              ))}
            </Grid>
          )}
        </QueryView>
      </Part>
      <Invitations />
      {asked && <Question {...asked} onClose={() => setAsked(undefined)} />}
    </Page>
  )
}

function Row({ account, isOwn, onAct }: { account: Account; isOwn: boolean; onAct: (act: Act) => void }) {
  const { name, email, role, isDisabled, hasSecondFactor, mustChangePassword } = account
  return (
    <Table.Tr>
      <Table.Th scope="row" fw={500} className="breaks">
        {name} {isOwn && `(${words.you})`}
        <Text size="sm" c="dimmed">
          {email}
        </Text>
      </Table.Th>
      <Table.Td>{words.roles[role]}</Table.Td>
      <Table.Td>{hasSecondFactor ? words.factorOn : words.factorOff}</Table.Td>
      <Table.Td>
        {isDisabled ? (
          <StateBadge label={words.suspended} color="red" />
        ) : (
          <StateBadge
            label={mustChangePassword ? words.temporary : words.active}
            color={mustChangePassword ? 'yellow' : 'green'}
          />
        )}
      </Table.Td>
      <Table.Td>
        <Time time={account.createdAt} isDate />
      </Table.Td>
      <Table.Td className="actions">
        <Menu position="bottom-end">
          <Menu.Target>
            <ActionIcon variant="subtle" color="gray" size="lg" aria-label={words.more(name)}>
              <KebabHorizontalIcon />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item
              renderRoot={(props) => <Link to="/activity" search={{ who: account.id }} {...props} />}
            >
              {words.activity}
            </Menu.Item>
            <Menu.Item onClick={() => onAct('rename')}>{words.rename}</Menu.Item>
            <Menu.Item onClick={() => onAct('role')}>
              {role === 'admin' ? words.makeMember : words.makeAdmin}
            </Menu.Item>
            <Menu.Item onClick={() => onAct('sessions')}>{words.endSessions}</Menu.Item>
            {hasSecondFactor && <Menu.Item onClick={() => onAct('factor')}>{words.resetFactor}</Menu.Item>}
            <Menu.Item {...(!isDisabled && { color: 'red' })} onClick={() => onAct('access')}>
              {isDisabled ? words.restore : words.suspend}
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </Table.Td>
    </Table.Tr>
  )
}

/** Says what follows before it is done. */
function Question({ account, act, onClose }: { account: Account; act: Act; onClose: () => void }) {
  const cache = useQueryClient()
  const params = { accountId: account.id }
  const { name, role, isDisabled } = account
  if (act === 'rename') return <Rename account={account} onClose={onClose} />
  const questions = {
    role: {
      title: role === 'admin' ? words.makeMember : words.makeAdmin,
      text: role === 'admin' ? words.memberText(name) : words.adminText(name),
      work: () => call('account.update', { params, body: { role: role === 'admin' ? 'member' : 'admin' } }),
    },
    access: {
      title: isDisabled ? words.restore : words.suspend,
      text: isDisabled ? (
        words.restoreText(name)
      ) : (
        <>
          {words.suspendText(name)}
          <List mt="xs" size="sm">
            {words.suspendEffects.map((effect) => (
              <List.Item key={effect}>{effect}</List.Item>
            ))}
          </List>
        </>
      ),
      work: () => call('account.update', { params, body: { isDisabled: !isDisabled } }),
    },
    sessions: {
      title: words.endSessions,
      text: words.sessionsText(name),
      work: () => call('account.end_sessions', { params }),
    },
    factor: {
      title: words.resetFactor,
      text: words.factorText(name),
      work: () => call('account.reset_second_factor', { params }),
    },
  }
  const { title, text, work } = questions[act]
  return (
    <Confirm
      title={title}
      action={title}
      isDangerous={!(act === 'access' && isDisabled)}
      onConfirm={async () => {
        await work()
        await cache.invalidateQueries({ queryKey: accountsQuery.queryKey })
      }}
      onClose={onClose}
    >
      {text}
    </Confirm>
  )
}

function Rename({ account, onClose }: { account: Account; onClose: () => void }) {
  const [name, setName] = useState(account.name)
  const action = useChange(
    [accountsQuery.queryKey, sessionQuery.queryKey],
    () => call('account.update', { params: { accountId: account.id }, body: { name } }),
    onClose,
  )
  return (
    <FormDialog title={words.rename} submit={words.rename} action={action} onClose={onClose}>
      <TextField
        label={words.name}
        field="name"
        action={action}
        value={name}
        onValue={setName}
        required
        data-autofocus
      />
    </FormDialog>
  )
}
