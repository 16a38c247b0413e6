import { type ExpiryChoice, expiryChoices, expiryTime } from './expiry.ts'
import { ChoiceField } from './fields.tsx'
import { expiryWords } from './messages.ts'
import { shownDate } from './time.tsx'

/** What becomes of when something ends. */
export type ExpiryChange = 'keep' | ExpiryChoice

/** @returns the field of a request; nothing when it stays as it is */
export const changedExpiry = (change: ExpiryChange): { expiresAt?: string | null } =>
  change === 'keep' ? {} : { expiresAt: expiryTime(change) }

interface Props {
  /** When it ends now. */
  readonly current: string | null
  readonly value: ExpiryChange
  readonly onValue: (change: ExpiryChange) => void
}

/** Chooses anew when something ends, from now on, or leaves it. */
export function ExpiryChangeField({ current, value, onValue }: Props) {
  return (
    <ChoiceField
      label={expiryWords.label}
      value={value}
      onValue={onValue}
      choices={[
        {
          value: 'keep',
          label: expiryWords.keep(current === null ? expiryWords.none : shownDate(current)),
        },
        ...expiryChoices.map((choice) => ({ value: choice, label: expiryWords[choice] })),
      ]}
    />
  )
}
