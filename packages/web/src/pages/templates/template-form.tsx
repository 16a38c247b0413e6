import { Button, Checkbox, FileButton, Group, Paper, Stack, Text } from '@mantine/core'
import { PlusIcon, TrashIcon, UploadIcon } from '@primer/octicons-react'
import { useRef, useState } from 'react'
import { call } from '../../api.ts'
import { type Template, templatesQuery } from '../../templates.ts'
import { LongTextField, TextField } from '../../ui/fields.tsx'
import { FormDialog } from '../../ui/form-dialog.tsx'
import { shared } from '../../ui/messages.ts'
import { useChange } from '../../ui/use-change.ts'
import { words } from './messages.ts'

interface DraftNeed {
  /** Tells them apart while their names change. */
  readonly key: number
  readonly name: string
  readonly description: string
  readonly documentationUrl: string
  readonly isRequired: boolean
}

const draftOf = ({ needs }: Template): DraftNeed[] =>
  needs.map((need, key) => ({ ...need, key, documentationUrl: need.documentationUrl ?? '' }))

/** Makes a template, or changes one. @param props.template undefined: a new one */
export function TemplateForm({ template, onClose }: { template: Template | undefined; onClose: () => void }) {
  const [name, setName] = useState(template?.name ?? '')
  const [description, setDescription] = useState(template?.description ?? '')
  const [needs, setNeeds] = useState(template ? draftOf(template) : [])
  const [devcontainer, setDevcontainer] = useState('')
  const save = useChange(
    [templatesQuery.queryKey],
    () => {
      const body = {
        name,
        description,
        needs: needs.map(({ key: _, documentationUrl, ...need }) => ({
          ...need,
          ...(documentationUrl !== '' && { documentationUrl }),
        })),
        ...(devcontainer.trim() !== '' && { devcontainer }),
      }
      return template
        ? call('template.update', { params: { templateId: template.id }, body })
        : call('template.create', { body })
    },
    onClose,
  )
  return (
    <FormDialog
      title={template ? words.editTitle : words.newTitle}
      submit={template ? shared.save : words.create}
      action={save}
      onClose={onClose}
    >
      <TextField
        label={words.name}
        field="name"
        action={save}
        value={name}
        onValue={setName}
        required
        data-autofocus
      />
      <LongTextField
        label={words.description}
        field="description"
        action={save}
        value={description}
        onValue={setDescription}
        minRows={2}
      />
      <NeedFields needs={needs} onNeeds={setNeeds} action={save} />
      <LongTextField
        label={words.devcontainer}
        description={words.devcontainerHelp}
        field="devcontainer"
        action={save}
        value={devcontainer}
        onValue={setDevcontainer}
        classNames={{ input: 'mono' }}
      />
      <Group>
        <FileButton
          onChange={(file) => void file?.text().then(setDevcontainer)}
          inputProps={{ 'aria-label': words.choose, tabIndex: -1 }}
        >
          {(props) => (
            <Button variant="default" leftSection={<UploadIcon />} {...props}>
              {words.choose}
            </Button>
          )}
        </FileButton>
      </Group>
    </FormDialog>
  )
}

interface NeedFieldsProps {
  readonly needs: readonly DraftNeed[]
  readonly onNeeds: (needs: DraftNeed[]) => void
  readonly action: { readonly error: unknown }
}

function NeedFields({ needs, onNeeds, action }: NeedFieldsProps) {
  const nextKey = useRef(needs.length)
  const add = () => {
    const key = nextKey.current++
    onNeeds([...needs, { key, name: '', description: '', documentationUrl: '', isRequired: false }])
  }
  const change = (key: number, part: Partial<DraftNeed>) =>
    onNeeds(needs.map((need) => (need.key === key ? { ...need, ...part } : need)))
  return (
    <Stack gap="xs" role="group" aria-label={words.needsTitle}>
      <div>
        <Text size="sm" fw={600}>
          {words.needsTitle}
        </Text>
        <Text size="sm" c="dimmed">
          {words.needsHelp}
        </Text>
      </div>
      {needs.map(({ key, name, description, documentationUrl, isRequired }, i) => (
        <Paper key={key} withBorder p="sm" role="group" aria-label={words.needOf(i + 1)}>
          <Stack gap="xs">
            <TextField
              label={words.variable}
              field={`needs[${i}].name`}
              action={action}
              value={name}
              onValue={(text) => change(key, { name: text })}
              classNames={{ input: 'mono' }}
              spellCheck={false}
              required
              data-autofocus
            />
            <TextField
              label={words.purpose}
              field={`needs[${i}].description`}
              action={action}
              value={description}
              onValue={(text) => change(key, { description: text })}
            />
            <TextField
              label={words.documentation}
              description={words.documentationHelp}
              field={`needs[${i}].documentationUrl`}
              action={action}
              value={documentationUrl}
              onValue={(text) => change(key, { documentationUrl: text })}
            />
            <Group justify="space-between">
              <Checkbox
                label={words.isRequired}
                checked={isRequired}
                onChange={(event) => change(key, { isRequired: event.currentTarget.checked })}
              />
              <Button
                variant="subtle"
                color="red"
                leftSection={<TrashIcon />}
                aria-label={words.removeNeed(name || words.unnamed)}
                onClick={() => onNeeds(needs.filter((need) => need.key !== key))}
              >
                {shared.delete}
              </Button>
            </Group>
          </Stack>
        </Paper>
      ))}
      <Group>
        <Button variant="default" leftSection={<PlusIcon />} onClick={add}>
          {words.addNeed}
        </Button>
      </Group>
    </Stack>
  )
}
