import {
  NativeSelect,
  PasswordInput,
  type PasswordInputProps,
  Textarea,
  type TextareaProps,
  TextInput,
  type TextInputProps,
} from '@mantine/core'
import { fieldError } from './error-message.tsx'

interface Bound {
  /** What the server calls it: its errors name the field. */
  readonly field: string
  /** What the form does, whose errors are shown at the field. */
  readonly action: { readonly error: unknown }
  readonly value: string
  readonly onValue: (value: string) => void
}

type Props<Own> = Bound & Omit<Own, keyof Bound | 'onChange' | 'error'>

/** A line of text of a form. */
export function TextField({ field, action, onValue, ...rest }: Props<TextInputProps>) {
  return (
    <TextInput
      autoComplete="off"
      {...rest}
      onChange={(event) => onValue(event.currentTarget.value)}
      error={fieldError(action.error, field)}
    />
  )
}

/** A line that nobody beside the screen should read. */
export function HiddenField({ field, action, onValue, ...rest }: Props<PasswordInputProps>) {
  return (
    <PasswordInput
      autoComplete="off"
      {...rest}
      onChange={(event) => onValue(event.currentTarget.value)}
      error={fieldError(action.error, field)}
    />
  )
}

/** Several lines of text. */
export function LongTextField({ field, action, onValue, ...rest }: Props<TextareaProps>) {
  return (
    <Textarea
      autosize
      minRows={3}
      maxRows={12}
      spellCheck={false}
      {...rest}
      onChange={(event) => onValue(event.currentTarget.value)}
      error={fieldError(action.error, field)}
    />
  )
}

interface ChoiceProps<Value extends string> {
  readonly label?: string
  /** Where a heading says what it is. */
  readonly 'aria-label'?: string
  readonly description?: string
  readonly value: Value
  readonly onValue: (value: Value) => void
  readonly choices: readonly { readonly value: Value; readonly label: string }[]
  readonly maw?: string
}

/** One of a few. */
export function ChoiceField<Value extends string>({ onValue, choices, ...rest }: ChoiceProps<Value>) {
  return (
    <NativeSelect
      {...rest}
      data={[...choices]}
      onChange={(event) => onValue(event.currentTarget.value as Value)} // `as`: there are no others.
    />
  )
}
