import { Button, Group, Modal, Stack } from '@mantine/core'
import type { ReactNode } from 'react'
import { ErrorMessage } from './error-message.tsx'
import { shared } from './messages.ts'
import type { Action } from './use-action.ts'
import { useReturnFocus } from './use-return-focus.ts'

interface Props {
  readonly title: string
  readonly submit: string
  readonly action: Action<[], unknown>
  /** What is typed cannot be sent as it is; the form says why. */
  readonly isBlocked?: boolean
  readonly onClose: () => void
  readonly children: ReactNode
}

/** A form in a dialog: what went wrong above its buttons, and one that gives up. */
export function FormDialog({ title, submit, action, isBlocked = false, onClose, children }: Props) {
  useReturnFocus()
  return (
    <Modal opened onClose={onClose} title={title} size="lg">
      <form
        onSubmit={(event) => {
          event.preventDefault()
          void action.run()
        }}
      >
        <Stack>
          {children}
          <ErrorMessage error={action.error} />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {shared.cancel}
            </Button>
            <Button type="submit" loading={action.isRunning} disabled={isBlocked}>
              {submit}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}
