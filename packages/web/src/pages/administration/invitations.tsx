import { ActionIcon, Alert, Button, Group, Table, Text } from '@mantine/core'
import { TrashIcon } from '@primer/octicons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { type CallAnswer, call } from '../../api.ts'
import { Confirm } from '../../ui/confirm.tsx'
import { StateBadge } from '../../ui/credential-state.tsx'
import { ErrorMessage } from '../../ui/error-message.tsx'
import { ChoiceField, TextField } from '../../ui/fields.tsx'
import { FormDialog } from '../../ui/form-dialog.tsx'
import { Grid, Part } from '../../ui/part.tsx'
import { QueryView } from '../../ui/query-view.tsx'
import { SecretOnce } from '../../ui/secret-once.tsx'
import { Time } from '../../ui/time.tsx'
import { useAction } from '../../ui/use-action.ts'
import { peopleWords, invitationWords as words } from './messages.ts'

type Invitation = CallAnswer<'invitation.list'>['invitations'][number]
type Made = CallAnswer<'invitation.create'>

const KEY = ['invitations']

/** People who have no account yet. */
export function Invitations() {
  const cache = useQueryClient()
  const query = useQuery({
    queryKey: KEY,
    queryFn: async () => (await call('invitation.list')).invitations,
  })
  const [isInviting, setInviting] = useState(false)
  // Here and nowhere else: closing the dialog forgets the link.
  const [made, setMade] = useState<Made>()
  const [doomed, setDoomed] = useState<Invitation>()
  const refresh = () => cache.invalidateQueries({ queryKey: KEY })
  const renew = useAction(async ({ id }: Invitation) => {
    setMade(await call('invitation.renew', { params: { invitationId: id } }))
    await refresh()
  })
  return (
    <Part
      title={words.title}
      lead={words.lead}
      action={<Button onClick={() => setInviting(true)}>{words.invite}</Button>}
    >
      {made && made.link === null && (
        <Alert color="green" variant="light" role="status">
          {words.sent(made.invitation.email)}
        </Alert>
      )}
      <ErrorMessage error={renew.error} />
      <QueryView query={query}>
        {(invitations) =>
          invitations.length === 0 ? (
            <Text>{words.empty}</Text>
          ) : (
            <Grid
              columns={[peopleWords.email, peopleWords.role, words.by, peopleWords.state, words.expires]}
              actions={peopleWords.actions}
            >
              {invitations.map((one) => (
                <Table.Tr key={one.id}>
                  <Table.Th scope="row" fw={500} className="breaks">
                    {one.email}
                  </Table.Th>
                  <Table.Td>{peopleWords.roles[one.role]}</Table.Td>
                  <Table.Td className="breaks">{one.invitedBy}</Table.Td>
                  <Table.Td>
                    <StateBadge
                      label={words.status[one.status]}
                      color={one.status === 'open' ? 'yellow' : one.status === 'accepted' ? 'green' : 'gray'}
                    />
                  </Table.Td>
                  <Table.Td>
                    <Time time={one.expiresAt} />
                  </Table.Td>
                  <Table.Td className="actions">
                    {one.status !== 'accepted' && (
                      <Group gap={4} wrap="nowrap" justify="flex-end">
                        <Button
                          variant="default"
                          size="xs"
                          aria-label={words.renewLabel(one.email)}
                          onClick={() => void renew.run(one)}
                        >
                          {words.renew}
                        </Button>
                        <ActionIcon
                          variant="subtle"
                          color="red"
                          size="lg"
                          aria-label={words.revokeLabel(one.email)}
                          onClick={() => setDoomed(one)}
                        >
                          <TrashIcon />
                        </ActionIcon>
                      </Group>
                    )}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Grid>
          )
        }
      </QueryView>
      {isInviting && (
        <Invite
          onClose={() => setInviting(false)}
          onMade={(answer) => {
            setInviting(false)
            setMade(answer)
            void refresh()
          }}
        />
      )}
      {made && made.link !== null && (
        <SecretOnce
          title={words.linkTitle}
          text={words.linkText(made.invitation.email)}
          values={[{ label: words.link, name: words.link, value: made.link }]}
          onClose={() => setMade(undefined)}
        />
      )}
      {doomed && (
        <Confirm
          title={words.revokeTitle}
          action={words.revoke}
          onConfirm={async () => {
            await call('invitation.revoke', { params: { invitationId: doomed.id } })
            await refresh()
          }}
          onClose={() => setDoomed(undefined)}
        >
          {words.revokeText(doomed.email)}
        </Confirm>
      )}
    </Part>
  )
}

function Invite({ onClose, onMade }: { onClose: () => void; onMade: (made: Made) => void }) {
  const [email, setEmail] = useState('')
  const [role, setRole] = useState<'member' | 'admin'>('member')
  const action = useAction(async () => onMade(await call('invitation.create', { body: { email, role } })))
  return (
    <FormDialog title={words.inviteTitle} submit={words.submit} action={action} onClose={onClose}>
      <TextField
        label={peopleWords.email}
        type="email"
        field="email"
        action={action}
        value={email}
        onValue={setEmail}
        required
        data-autofocus
      />
      <ChoiceField
        label={peopleWords.role}
        value={role}
        onValue={setRole}
        choices={[
          { value: 'member', label: peopleWords.roles.member },
          { value: 'admin', label: peopleWords.roles.admin },
        ]}
      />
    </FormDialog>
  )
}
