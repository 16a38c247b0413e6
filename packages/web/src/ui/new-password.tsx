import { limits } from '@keyhold/contract/limits'
import { PasswordInput } from '@mantine/core'
import { useState } from 'react'
import { shared } from './messages.ts'

/** Two fields for a new password. @param onChange is given it once both are the same, and else undefined. */
export function NewPassword({
  onChange,
  lengthMin = limits.passwordLengthMin,
  label = shared.newPassword,
}: {
  onChange: (password: string | undefined) => void
  lengthMin?: number
  label?: string
}) {
  const [password, setPassword] = useState('')
  const [again, setAgain] = useState('')
  const tell = (one: string, other: string) => onChange(one !== '' && one === other ? one : undefined)
  return (
    <>
      <PasswordInput
        label={label}
        description={`At least ${lengthMin} characters; several words are easy to keep in mind`}
        value={password}
        onChange={(event) => {
          setPassword(event.currentTarget.value)
          tell(event.currentTarget.value, again)
        }}
        autoComplete="new-password"
        minLength={lengthMin}
        maxLength={limits.passwordLengthMax}
        required
      />
      <PasswordInput
        label={shared.passwordAgain}
        value={again}
        onChange={(event) => {
          setAgain(event.currentTarget.value)
          tell(password, event.currentTarget.value)
        }}
        error={again !== '' && !password.startsWith(again) ? shared.passwordsDiffer : undefined}
        autoComplete="new-password"
        required
      />
    </>
  )
}
