import { Alert, Button, Group, NumberInput, Stack, Switch } from '@mantine/core'
import { CheckIcon } from '@primer/octicons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { type CallAnswer, call } from '../../api.ts'
import { ErrorMessage, fieldError } from '../../ui/error-message.tsx'
import { Page } from '../../ui/page.tsx'
import { Part } from '../../ui/part.tsx'
import { QueryView } from '../../ui/query-view.tsx'
import { useAction } from '../../ui/use-action.ts'
import { policyWords as words } from './messages.ts'

type Settings = CallAnswer<'settings.get'>

const KEY = ['settings']

/** Administration → Policies. */
export function Policies() {
  const query = useQuery({ queryKey: KEY, queryFn: () => call('settings.get') })
  return (
    <Page title={words.title} lead={words.lead}>
      <QueryView query={query}>{(settings) => <Form settings={settings} />}</QueryView>
    </Page>
  )
}

function Form({ settings }: { settings: Settings }) {
  const cache = useQueryClient()
  const [draft, setDraft] = useState(settings)
  const [isSaved, setSaved] = useState(false)
  const change = (part: Partial<Settings>) => {
    setSaved(false)
    setDraft({ ...draft, ...part })
  }
  const rotate = (part: Partial<Settings['rotationDays']>) =>
    change({ rotationDays: { ...draft.rotationDays, ...part } })
  const live = (part: Partial<Settings['maximumLife']>) =>
    change({ maximumLife: { ...draft.maximumLife, ...part } })
  const save = useAction(async () => {
    const answer = await call('settings.update', { body: draft })
    cache.setQueryData(KEY, answer)
    setDraft(answer)
    setSaved(true)
  })
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        void save.run()
      }}
    >
      <Stack>
        <Part title={words.signIn} lead={words.signInLead}>
          <Switch
            label={words.require}
            description={words.requireHelp}
            checked={draft.requireSecondFactor}
            onChange={(event) => change({ requireSecondFactor: event.currentTarget.checked })}
          />
        </Part>
        <Part title={words.life} lead={words.lifeLead}>
          {(['accessTokenDays', 'accessKeyDays'] as const).map((kind) => (
            <Days
              key={kind}
              label={words[kind]}
              description={words.anyLife}
              value={draft.maximumLife[kind]}
              onValue={(days) => live({ [kind]: days })}
              error={fieldError(save.error, `maximumLife.${kind}`)}
            />
          ))}
          <Days
            label={words.sessionHours}
            description={words.sessionHelp}
            value={draft.maximumLife.sessionHours}
            onValue={(hours) => live({ sessionHours: hours })}
            error={fieldError(save.error, 'maximumLife.sessionHours')}
          />
        </Part>
        <Part title={words.rotation} lead={words.rotationLead}>
          {(['token', 'apiKey', 'password'] as const).map((kind) => (
            <Days
              key={kind}
              label={words[kind]}
              description={words.never}
              value={draft.rotationDays[kind]}
              onValue={(days) => rotate({ [kind]: days })}
              error={fieldError(save.error, `rotationDays.${kind}`)}
            />
          ))}
          <Days
            label={words.reminder}
            description={words.noReminder}
            value={draft.reminderDays}
            onValue={(days) => change({ reminderDays: days ?? 0 })}
            error={fieldError(save.error, 'reminderDays')}
          />
        </Part>
        <Part title={words.audit} lead={words.auditLead}>
          <Days
            label={words.keep}
            description={words.keepHelp}
            value={draft.auditRetentionDays}
            onValue={(days) => change({ auditRetentionDays: days })}
            error={fieldError(save.error, 'auditRetentionDays')}
          />
        </Part>
        <ErrorMessage error={save.error} />
        {isSaved && (
          <Alert color="green" variant="light" role="status" icon={<CheckIcon />}>
            {words.saved}
          </Alert>
        )}
        <Group>
          <Button type="submit" loading={save.isRunning}>
            {words.save}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

interface DaysProps {
  readonly label: string
  readonly description: string
  /** `null`: never. */
  readonly value: number | null
  readonly onValue: (days: number | null) => void
  readonly error: string | undefined
}

/** A number of days, or none. The server knows the limits and says them. */
function Days({ value, onValue, ...rest }: DaysProps) {
  return (
    <NumberInput
      {...rest}
      value={value ?? ''}
      onChange={(days) => onValue(typeof days === 'number' ? days : null)}
      allowDecimal={false}
      allowNegative={false}
      hideControls
      maw="24rem"
    />
  )
}
