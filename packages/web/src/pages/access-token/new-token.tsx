import { type Scope, scopeNames, scopes as scopeTexts } from '@keyhold/contract/actions'
import { limits } from '@keyhold/contract/limits'
import { Button, Checkbox, Group, Modal, ScrollArea, Stack, Switch, TextInput } from '@mantine/core'
import { useState } from 'react'
import { call } from '../../api.ts'
import { ErrorMessage, fieldError } from '../../ui/error-message.tsx'
import { type ExpiryChoice, expiryTime } from '../../ui/expiry.ts'
import { ExpiryField } from '../../ui/expiry-field.tsx'
import { shared } from '../../ui/messages.ts'
import { useAction } from '../../ui/use-action.ts'
import { words } from './messages.ts'

/** The dialog behind "+ New Token". @param onCreated is given the whole token, once. */
export function NewToken({
  onClose,
  onCreated,
}: {
  onClose: () => void
  onCreated: (token: string) => void
}) {
  const [name, setName] = useState('')
  const [isLimited, setLimited] = useState(false)
  const [chosen, setChosen] = useState<Scope[]>([])
  const [expiry, setExpiry] = useState<ExpiryChoice>('d90')
  const create = useAction(async () => {
    const body = { name, scopes: isLimited ? chosen : null, expiresAt: expiryTime(expiry) }
    const { token } = await call('access-token.create', { body })
    onCreated(token)
  })
  return (
    <Modal opened onClose={onClose} title={words.createTitle} size="lg">
      <form
        onSubmit={(event) => {
          event.preventDefault()
          void create.run()
        }}
      >
        <Stack>
          <TextInput
            label={words.name}
            description={words.nameHelp}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            error={fieldError(create.error, 'name')}
            maxLength={limits.nameLength}
            autoComplete="off"
            required
            data-autofocus
          />
          <ExpiryField value={expiry} onChange={setExpiry} />
          <Switch
            label={words.limit}
            description={words.limitHelp}
            checked={isLimited}
            onChange={(event) => setLimited(event.currentTarget.checked)}
          />
          {isLimited && (
            <Checkbox.Group
              label={words.scopesLabel}
              value={chosen}
              onChange={(values) => setChosen(values as Scope[])} // `as`: the boxes below have no others.
              error={fieldError(create.error, 'scopes')}
            >
              <ScrollArea h={220} type="always" mt="xs" viewportProps={{ tabIndex: 0 }}>
                <Stack gap="xs" p={4}>
                  {scopeNames.map((scope) => (
                    <Checkbox key={scope} value={scope} label={scope} description={scopeTexts[scope]} />
                  ))}
                </Stack>
              </ScrollArea>
            </Checkbox.Group>
          )}
          <ErrorMessage error={create.error} />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {shared.cancel}
            </Button>
            <Button type="submit" loading={create.isRunning}>
              {words.create}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}
