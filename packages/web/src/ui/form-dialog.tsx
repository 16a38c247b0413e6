import { Button, Group, Modal, Stack } from '@mantine/core'
import type { ReactNode } from 'react'
import { ErrorMessage } from './error-message.tsx'
import { shared } from './messages.ts'
import type { Action } from './use-action.ts'

interface Props {
  readonly title: string
  readonly submit: string
  readonly action: Action<[], unknown>
  readonly onClose: () => void
  readonly children: ReactNode
}

/** A form in a dialog: what went wrong above its buttons, and one that gives up. */
export function FormDialog({ title, submit, action, onClose, children }: Props) {
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
            <Button type="submit" loading={action.isRunning}>
              {submit}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}
