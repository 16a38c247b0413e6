import { nameWarning } from '@keyhold/contract/names'
import { Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '../../api.ts'
import { type ExpiryChoice, expiryTime } from '../../ui/expiry.ts'
import { ExpiryField } from '../../ui/expiry-field.tsx'
import { ChoiceField, LongTextField, TextField } from '../../ui/fields.tsx'
import { FormDialog } from '../../ui/form-dialog.tsx'
import { secretValueWords, shared } from '../../ui/messages.ts'
import { NameWarning, noValue, SecretValueFields } from '../../ui/secret-value.tsx'
import { useChange } from '../../ui/use-change.ts'
import { workspaceQuery } from '../../workspaces.ts'
import { secretWords as own } from './messages.ts'

/** What shows them: also the variables of the workspace, and the inventory. */
export const shownIn = (workspaceId: string) => [workspaceQuery(workspaceId).queryKey, ['credentials']]

export interface FormProps {
  readonly workspaceId: string
  readonly onClose: () => void
  /** @param name of what is available now */
  readonly onSaved: (name: string) => void
}

/** @param props.of what a template needs: its name and what it is for are there already */
export function AddSecret({
  workspaceId,
  of,
  onClose,
  onSaved,
}: FormProps & { readonly of?: { readonly name: string; readonly description: string } }) {
  const presets = useQuery({
    queryKey: ['workspace-secret-presets'],
    queryFn: async () => (await call('workspace-secret.presets')).presets,
  })
  const [preset, setPreset] = useState('')
  const [name, setName] = useState(of?.name ?? '')
  const [value, setValue] = useState(noValue)
  const [description, setDescription] = useState(of?.description ?? '')
  const [filePath, setFilePath] = useState('')
  const [expiry, setExpiry] = useState<ExpiryChoice>('none')
  const add = useChange(
    shownIn(workspaceId),
    () =>
      call('workspace-secret.create', {
        params: { workspaceId },
        body: {
          name,
          ...value,
          description,
          ...(filePath !== '' && { filePath }),
          expiresAt: expiryTime(expiry),
        },
      }),
    () => {
      onSaved(name)
      onClose()
    },
  )
  const take = (wanted: string) => {
    setPreset(wanted)
    const found = presets.data?.find((one) => one.name === wanted)
    if (!found) return
    setName(found.name)
    setValue({ ...value, type: found.type })
    setDescription(found.description)
  }
  return (
    <FormDialog title={own.addTitle} submit={shared.save} action={add} onClose={onClose}>
      <ChoiceField
        label={own.preset}
        value={preset}
        onValue={take}
        choices={[
          { value: '', label: own.presetNone },
          ...(presets.data ?? []).map((one) => ({
            value: one.name,
            label: `${one.name}: ${one.description}`,
          })),
        ]}
      />
      <TextField
        label={own.name}
        description={own.nameHelp}
        value={name}
        onValue={setName}
        field="name"
        action={add}
        classNames={{ input: 'mono' }}
        spellCheck={false}
        required
        data-autofocus
      />
      <NameWarning warning={name === '' ? undefined : nameWarning(name)} />
      <SecretValueFields action={add} value={value} onValue={setValue} />
      <Text size="sm" c="dimmed">
        {secretValueWords.unmasked}
      </Text>
      <LongTextField
        label={own.description}
        value={description}
        onValue={setDescription}
        field="description"
        action={add}
        minRows={2}
      />
      <TextField
        label={own.filePath}
        description={own.fileHelp}
        value={filePath}
        onValue={setFilePath}
        field="filePath"
        action={add}
        spellCheck={false}
      />
      <ExpiryField value={expiry} onChange={setExpiry} />
    </FormDialog>
  )
}
