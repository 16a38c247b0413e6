import type { SecretType } from '@keyhold/contract/api/secrets'
import { Button, FileButton, Group, Stack, Text } from '@mantine/core'
import { UploadIcon } from '@primer/octicons-react'
import { useState } from 'react'
import { fieldError } from './error-message.tsx'
import { ChoiceField, HiddenField, LongTextField } from './fields.tsx'
import { secretValueWords as words } from './messages.ts'

/** A value as the API takes it. */
export interface TypedValue {
  readonly type: SecretType
  readonly value: string
  /** `base64` for bytes that are no text. */
  readonly encoding: 'utf8' | 'base64'
}

export const noValue: TypedValue = { type: 'token', value: '', encoding: 'utf8' }

const types = ['token', 'password', 'key', 'file'] as const

interface Props {
  readonly action: { readonly error: unknown }
  readonly value: TypedValue
  readonly onValue: (value: TypedValue) => void
  readonly label?: string
  /** Of a secret whose type stays. */
  readonly hasType?: boolean
}

/** Type and value of a secret: a line nobody reads along, several lines for keys and files, or a file from the disk. */
export function SecretValueFields({ action, value, onValue, label = words.value, hasType = false }: Props) {
  const { type } = value
  const isLong = type === 'key' || type === 'file'
  const setText = (text: string) => onValue({ type, value: text, encoding: 'utf8' })
  const shared = { label, value: value.value, onValue: setText, field: 'value', action, required: true }
  return (
    <>
      {!hasType && (
        <ChoiceField
          label={words.type}
          description={words.typeHelps[type]}
          value={type}
          onValue={(next) => onValue({ ...(value.encoding === 'utf8' ? value : noValue), type: next })}
          choices={types.map((one) => ({ value: one, label: words.types[one] }))}
        />
      )}
      {value.encoding === 'base64' ? (
        <Text size="sm">{words.binary}</Text>
      ) : isLong ? (
        <LongTextField {...shared} minRows={4} />
      ) : (
        <HiddenField {...shared} />
      )}
      {value.encoding === 'base64' && (
        <Text size="sm" c="var(--mantine-color-error)">
          {fieldError(action.error, 'value')}
        </Text>
      )}
      {isLong && <ChooseFile onValue={(chosen) => onValue({ type, ...chosen })} />}
    </>
  )
}

function ChooseFile({ onValue }: { onValue: (value: Omit<TypedValue, 'type'>) => void }) {
  const [name, setName] = useState<string>()
  const read = async (file: File | null) => {
    if (!file) return
    onValue(decoded(new Uint8Array(await file.arrayBuffer())))
    setName(words.chosen(file.name, file.size))
  }
  return (
    <Group>
      <FileButton
        onChange={(file) => void read(file)}
        inputProps={{ 'aria-label': words.choose, tabIndex: -1 }}
      >
        {(props) => (
          <Button variant="default" leftSection={<UploadIcon />} {...props}>
            {words.choose}
          </Button>
        )}
      </FileButton>
      <Text size="sm" role="status">
        {name}
      </Text>
    </Group>
  )
}

/** Text where it is text, as UTF-8; else base64. */
function decoded(bytes: Uint8Array): Omit<TypedValue, 'type'> {
  try {
    // The mark at the beginning of a text belongs to the file.
    const value = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    if (!value.includes('\0')) return { value, encoding: 'utf8' }
  } catch {
    // No text: as bytes.
  }
  return { value: toBase64(bytes), encoding: 'base64' }
}

function toBase64(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return btoa(text)
}

/** Advice on a name, which does not keep it from being saved. */
export function NameWarning({ warning }: { warning: string | undefined }) {
  return (
    <Stack gap={0} role="status">
      {warning !== undefined && (
        <Text size="sm">
          <strong>{words.warning}</strong> {warning}
        </Text>
      )}
    </Stack>
  )
}
