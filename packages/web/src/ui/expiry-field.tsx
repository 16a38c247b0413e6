import { NativeSelect } from '@mantine/core'
import { type ExpiryChoice, expiryChoices } from './expiry.ts'
import { expiryWords } from './messages.ts'

/** Chooses when something ends. */
export function ExpiryField({
  value,
  onChange,
}: {
  value: ExpiryChoice
  onChange: (choice: ExpiryChoice) => void
}) {
  return (
    <NativeSelect
      label={expiryWords.label}
      value={value}
      data={expiryChoices.map((choice) => ({ value: choice, label: expiryWords[choice] }))}
      onChange={(event) => onChange(event.currentTarget.value as ExpiryChoice)} // `as`: there are no others.
    />
  )
}
