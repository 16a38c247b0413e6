import { Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core'
import { type ReactNode, useState } from 'react'
import { ErrorMessage } from './error-message.tsx'
import { shared } from './messages.ts'
import { useAction } from './use-action.ts'
import { useReturnFocus } from './use-return-focus.ts'

interface Props {
  readonly title: string
  readonly children: ReactNode
  /** Word of the button that does it. */
  readonly action: string
  readonly isDangerous?: boolean
  /** What has to be typed, exactly, before the button works. */
  readonly typed?: { readonly label: string; readonly text: string }
  readonly onConfirm: () => Promise<unknown>
  readonly onClose: () => void
}

/** Asks before something is done that cannot be taken back; says what it does to which thing. */
export function Confirm({ title, children, action, isDangerous = true, typed, onConfirm, onClose }: Props) {
  useReturnFocus()
  const [text, setText] = useState('')
  const work = useAction(async () => {
    await onConfirm()
    onClose()
  })
  const isBlocked = typed !== undefined && text !== typed.text
  return (
    <Modal opened onClose={onClose} title={title}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          if (!isBlocked) void work.run()
        }}
      >
        <Stack>
          <Text component="div" className="breaks">
            {children}
          </Text>
          {typed && (
            <TextInput
              label={typed.label}
              value={text}
              onChange={(event) => setText(event.currentTarget.value)}
              autoComplete="off"
              spellCheck={false}
              data-autofocus
            />
          )}
          <ErrorMessage error={work.error} />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose} data-autofocus={typed ? undefined : true}>
              {shared.cancel}
            </Button>
            <Button
              type="submit"
              {...(isDangerous && { color: 'red' })}
              disabled={isBlocked}
              loading={work.isRunning}
            >
              {action}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}
