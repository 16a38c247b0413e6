import { Alert, Button, Group, List, Stack, Text } from '@mantine/core'
import { CheckIcon } from '@primer/octicons-react'
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '../api.ts'
import { Command } from './copy-button.tsx'
import { ErrorMessage } from './error-message.tsx'
import { HiddenField, TextField } from './fields.tsx'
import { firstWords as words } from './messages.ts'
import { useAction } from './use-action.ts'

interface Made {
  readonly project: string
  readonly secret: string
}

/** The first project with its first secret, made here, and then the commands by which a program gets it. */
export function FirstSteps() {
  const [made, setMade] = useState<Made>()
  return made === undefined ? <FirstSecret onMade={setMade} /> : <FirstRun {...made} />
}

function FirstSecret({ onMade }: { onMade: (made: Made) => void }) {
  const cache = useQueryClient()
  const [project, setProject] = useState<string>(words.projectDefault)
  const [secret, setSecret] = useState<string>(words.secretDefault)
  const [value, setValue] = useState('')
  // Kept, so that a name of a secret that is refused does not leave a project behind at each attempt.
  const [created, setCreated] = useState<{ id: string; name: string }>()
  const make = useAction(async () => {
    const own = created ?? (await call('project.create', { body: { name: project } }))
    setCreated(own)
    await call('secret.create', {
      params: { projectId: own.id },
      body: { name: secret, value, type: 'token' },
    })
    onMade({ project: own.name, secret })
    await cache.invalidateQueries({ queryKey: ['credentials'] })
  })
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        void make.run()
      }}
    >
      <Stack>
        <TextField
          label={words.project}
          field={created === undefined ? 'name' : ''}
          action={make}
          value={created?.name ?? project}
          onValue={setProject}
          disabled={created !== undefined}
          required
        />
        <TextField
          label={words.secret}
          description={words.secretHelp}
          field={created === undefined ? '' : 'name'}
          action={make}
          value={secret}
          onValue={setSecret}
          spellCheck={false}
          required
        />
        <HiddenField
          label={words.value}
          description={words.valueHelp}
          field="value"
          action={make}
          value={value}
          onValue={setValue}
          required
        />
        <ErrorMessage error={make.error} />
        <Group>
          <Button type="submit" loading={make.isRunning}>
            {words.make}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

/** A word as shells read it. */
const quoted = (text: string): string =>
  /^[\w.-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`

function FirstRun({ project, secret }: Made) {
  return (
    <Stack>
      <Alert color="green" variant="light" role="status" icon={<CheckIcon />}>
        {words.made(secret, project)}
      </Alert>
      <List
        type="ordered"
        spacing="md"
        styles={{ itemWrapper: { display: 'block' }, itemLabel: { display: 'block' } }}
      >
        <List.Item>
          <Text>{words.signInText}</Text>
          <Command command={words.signInCommand(location.origin)} name={words.signInName} />
        </List.Item>
        <List.Item>
          <Text>{words.keyText}</Text>
          <Command command={words.keyCommand(quoted(project))} name={words.keyName} />
        </List.Item>
        <List.Item>
          <Text>{words.runText}</Text>
          <Command command={words.runCommand(secret)} name={words.runName} />
        </List.Item>
      </List>
    </Stack>
  )
}
