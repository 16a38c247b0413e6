import { Alert, Button, Code, Group, Modal, Stack, Text } from '@mantine/core'
import { AlertIcon, DownloadIcon } from '@primer/octicons-react'
import { type ReactNode, useState } from 'react'
import { CopyButton } from './copy-button.tsx'
import { onceWords } from './messages.ts'
import { saveFile } from './save-file.ts'
import { useReturnFocus } from './use-return-focus.ts'

export interface OnceValue {
  readonly label: string
  /** For the name of the copy button. */
  readonly name: string
  readonly value: string
}

interface Props {
  readonly title: string
  readonly text: string
  readonly values: readonly OnceValue[]
  /** Offers the values as a file of this name. */
  readonly file?: { readonly name: string; readonly text: string }
  /** What to do with them. */
  readonly children?: ReactNode
  readonly onClose: () => void
}

/** Shows what is answered once. Only its own button closes it: a stray click or Escape would lose the value for good. */
export function SecretOnce({ title, text, values, file, children, onClose }: Props) {
  useReturnFocus()
  return (
    <Modal
      opened
      onClose={onClose}
      title={title}
      size="lg"
      withCloseButton={false}
      closeOnClickOutside={false}
      closeOnEscape={false}
    >
      <Stack>
        <Alert color="yellow" variant="light" icon={<AlertIcon />}>
          {text}
        </Alert>
        {values.map(({ label, name, value }) => (
          <div key={name}>
            <Text size="sm" fw={600} mb={4}>
              {label}
            </Text>
            <Group wrap="nowrap" align="flex-start">
              <Code
                block
                flex="1"
                miw={0}
                className="breaks wraps"
                aria-label={label}
                role="group"
                tabIndex={0}
              >
                {value}
              </Code>
              <CopyButton value={value} name={name} />
            </Group>
          </div>
        ))}
        {children}
        <Group justify="flex-end">
          {file && <DownloadButton {...file} />}
          <Button onClick={onClose} data-autofocus>
            {onceWords.done}
          </Button>
        </Group>
      </Stack>
    </Modal>
  )
}

function DownloadButton({ name, text }: { name: string; text: string }) {
  const [isSaved, setSaved] = useState(false)
  const save = () => {
    saveFile(name, text)
    setSaved(true)
  }
  return (
    <Button variant="default" leftSection={<DownloadIcon />} onClick={save}>
      {isSaved ? onceWords.downloaded : onceWords.download}
    </Button>
  )
}
