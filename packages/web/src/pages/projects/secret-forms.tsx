import { limits } from '@keyhold/contract/limits'
import { nameWarning } from '@keyhold/contract/names'
import { NumberInput, Switch, Text } from '@mantine/core'
import { useState } from 'react'
import { call } from '../../api.ts'
import { type Environment, type ListedSecret, projectQuery } from '../../projects.ts'
import { fieldError } from '../../ui/error-message.tsx'
import { ChoiceField, LongTextField, TextField } from '../../ui/fields.tsx'
import { FormDialog } from '../../ui/form-dialog.tsx'
import { shared } from '../../ui/messages.ts'
import { NameWarning, noValue, SecretValueFields } from '../../ui/secret-value.tsx'
import type { Action } from '../../ui/use-action.ts'
import { useChange } from '../../ui/use-change.ts'
import { secretFormWords as words } from './messages.ts'

interface AddProps {
  readonly projectId: string
  readonly environments: readonly Environment[]
  /** What is known of it already. */
  readonly wish: { readonly name: string; readonly environment: string }
  readonly onClose: () => void
}

export function AddSecret({ projectId, environments, wish, onClose }: AddProps) {
  const [name, setName] = useState(wish.name)
  // The dialog may have been asked for before the environments were known.
  const [environment, setEnvironment] = useState(wish.environment || (environments[0]?.name ?? ''))
  const [value, setValue] = useState(noValue)
  const [description, setDescription] = useState('')
  const [hasReferences, setReferences] = useState(false)
  const add = useChange(
    [projectQuery(projectId).queryKey, ['credentials']],
    () =>
      call('secret.create', {
        params: { projectId },
        body: { name, environment, ...value, description, hasReferences },
      }),
    onClose,
  )
  return (
    <FormDialog title={words.addTitle} submit={shared.save} action={add} onClose={onClose}>
      <TextField
        label={words.name}
        description={words.nameHelp}
        value={name}
        onValue={setName}
        field="name"
        action={add}
        maxLength={limits.secretNameBytes}
        classNames={{ input: 'mono' }}
        spellCheck={false}
        required
        {...(wish.name === '' && { 'data-autofocus': true })}
      />
      <NameWarning warning={name === '' ? undefined : nameWarning(name)} />
      <ChoiceField
        label={words.environment}
        value={environment}
        onValue={setEnvironment}
        choices={environments.map((one) => ({ value: one.name, label: one.name }))}
      />
      <SecretValueFields action={add} value={value} onValue={setValue} />
      <References isOn={hasReferences} onChange={setReferences} />
      <LongTextField
        label={words.description}
        value={description}
        onValue={setDescription}
        field="description"
        action={add}
        minRows={2}
      />
    </FormDialog>
  )
}

function References({ isOn, onChange }: { isOn: boolean; onChange: (isOn: boolean) => void }) {
  return (
    <Switch
      label={words.references}
      description={words.referencesHelp}
      checked={isOn}
      onChange={(event) => onChange(event.currentTarget.checked)}
    />
  )
}

interface EditProps {
  readonly projectId: string
  readonly secret: ListedSecret
  readonly onClose: () => void
}

/** A new value is a new version. */
export function NewValue({ projectId, secret, onClose }: EditProps) {
  const [value, setValue] = useState({ ...noValue, type: secret.type })
  const [hasReferences, setReferences] = useState(secret.hasReferences)
  const save = useChange(
    [projectQuery(projectId).queryKey, ['credentials']],
    () =>
      call('secret.update', {
        params: { projectId, secretId: secret.id },
        body: { ...value, hasReferences, expectedVersion: secret.version },
      }),
    onClose,
  )
  return (
    <FormDialog title={words.updateTitle} submit={shared.save} action={save} onClose={onClose}>
      <SecretName secret={secret} />
      <SecretValueFields action={save} value={value} onValue={setValue} />
      <References isOn={hasReferences} onChange={setReferences} />
    </FormDialog>
  )
}

function SecretName({ secret: { name, environment } }: { secret: { name: string; environment: string } }) {
  return (
    <Text className="breaks">
      <strong>{name}</strong> · {environment}
    </Text>
  )
}

export function EditDetails({ projectId, secret, onClose }: EditProps) {
  const [description, setDescription] = useState(secret.description)
  const [note, setNote] = useState(secret.note)
  const [days, setDays] = useState<number | string>(secret.rotationDays ?? '')
  const save = useChange(
    [projectQuery(projectId).queryKey, ['credentials']],
    () =>
      call('secret.update', {
        params: { projectId, secretId: secret.id },
        body: { description, note, rotationDays: days === '' ? null : Number(days) },
      }),
    onClose,
  )
  return (
    <FormDialog title={words.detailsTitle} submit={shared.save} action={save} onClose={onClose}>
      <SecretName secret={secret} />
      <LongTextField
        label={words.description}
        value={description}
        onValue={setDescription}
        field="description"
        action={save}
        data-autofocus
      />
      <LongTextField
        label={words.note}
        description={words.noteHelp}
        value={note}
        onValue={setNote}
        field="note"
        action={save}
      />
      <RotationField days={days} onDays={setDays} action={save} />
    </FormDialog>
  )
}

function RotationField({
  days,
  onDays,
  action,
}: {
  days: number | string
  onDays: (days: number | string) => void
  action: Action<[], unknown>
}) {
  return (
    <NumberInput
      label={words.rotation}
      description={words.rotationHelp}
      value={days}
      onChange={onDays}
      error={fieldError(action.error, 'rotationDays')}
      min={0}
      allowDecimal={false}
      hideControls
    />
  )
}

/** A value that only this person gets. */
export function OwnValue({ projectId, secret, environment, onClose }: EditProps & { environment: string }) {
  const [value, setValue] = useState({ ...noValue, type: secret.type })
  const save = useChange(
    [projectQuery(projectId).queryKey],
    () =>
      call('secret-override.set', {
        params: { projectId, secretId: secret.id },
        body: { value: value.value, encoding: value.encoding, environment },
      }),
    onClose,
  )
  return (
    <FormDialog title={words.mineTitle} submit={shared.save} action={save} onClose={onClose}>
      <Text size="sm" className="breaks">
        {words.mineText(secret.name, environment)}
      </Text>
      <SecretValueFields action={save} value={value} onValue={setValue} hasType />
    </FormDialog>
  )
}
