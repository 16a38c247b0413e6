import { ActionIcon, Button, Code, Group, Tooltip } from '@mantine/core'
import { CheckIcon, CopyIcon } from '@primer/octicons-react'
import { useEffect, useState } from 'react'
import { shared } from './messages.ts'

const SHOWN_MS = 2_000

function useCopy(value: string) {
  const [isCopied, setCopied] = useState(false)
  useEffect(() => {
    if (!isCopied) return
    const timer = setTimeout(() => setCopied(false), SHOWN_MS)
    return () => clearTimeout(timer)
  }, [isCopied])
  const copy = () =>
    void navigator.clipboard.writeText(value).then(
      () => setCopied(true),
      () => setCopied(false),
    )
  return { isCopied, copy }
}

/** Puts a text on the clipboard. @param name what it is, for the button's accessible name */
export function CopyButton({ value, name }: { value: string; name: string }) {
  const { isCopied, copy } = useCopy(value)
  return (
    <Button
      variant="default"
      onClick={copy}
      leftSection={isCopied ? <CheckIcon /> : <CopyIcon />}
      aria-label={`${shared.copy} ${name}`}
    >
      <span aria-live="polite">{isCopied ? shared.copied : shared.copy}</span>
    </Button>
  )
}

/** The same as an icon. */
export function CopyIconButton({ value, name }: { value: string; name: string }) {
  const { isCopied, copy } = useCopy(value)
  return (
    <Tooltip label={isCopied ? shared.copied : shared.copy}>
      <ActionIcon
        variant="subtle"
        color="gray"
        size="lg"
        onClick={copy}
        aria-label={`${shared.copy} ${name}`}
      >
        {isCopied ? <CheckIcon /> : <CopyIcon />}
      </ActionIcon>
    </Tooltip>
  )
}

/** A command, ready to be copied. */
export function Command({ command, name }: { command: string; name: string }) {
  return (
    <Group gap="xs" wrap="nowrap" align="stretch">
      <Code block flex="1" miw={0} tabIndex={0} aria-label={name}>
        {command}
      </Code>
      <CopyIconButton value={command} name={name} />
    </Group>
  )
}
