import { ActionIcon, Code, Group, Tooltip } from '@mantine/core'
import { EyeClosedIcon, EyeIcon } from '@primer/octicons-react'
import { useEffect, useState } from 'react'
import { CopyIconButton } from './copy-button.tsx'
import { ErrorMessage } from './error-message.tsx'
import { revealWords } from './messages.ts'
import { useAction } from './use-action.ts'

/** How long a value stays in view. */
const SHOWN_MS = 30_000

/**
 * Shows one value when asked to. It hides itself after 30 seconds, when the window is left, and with its page; it is in this
 * component and nowhere else.
 *
 * @param reveal asks the server, which records it
 */
export function RevealedValue({ name, reveal }: { name: string; reveal: () => Promise<string> }) {
  const [value, setValue] = useState<string>()
  const show = useAction(async () => setValue(await reveal()))
  const isShown = value !== undefined
  useEffect(() => {
    if (!isShown) return
    const hide = () => setValue(undefined)
    const hideWhenHidden = () => document.hidden && hide()
    const timer = setTimeout(hide, SHOWN_MS)
    addEventListener('blur', hide)
    document.addEventListener('visibilitychange', hideWhenHidden)
    return () => {
      clearTimeout(timer)
      removeEventListener('blur', hide)
      document.removeEventListener('visibilitychange', hideWhenHidden)
    }
  }, [isShown])
  const label = isShown ? revealWords.hide(name) : revealWords.show(name)
  return (
    <Group gap={4} wrap="nowrap" justify="flex-end">
      {isShown && (
        <>
          <Code
            className="breaks wraps"
            miw="14rem"
            maw="20rem"
            ta="left"
            aria-label={revealWords.value(name)}
            role="group"
          >
            {value}
          </Code>
          <CopyIconButton value={value} name={revealWords.value(name)} />
        </>
      )}
      <Tooltip label={label}>
        <ActionIcon
          variant="subtle"
          color="gray"
          size="lg"
          aria-label={label}
          loading={show.isRunning}
          onClick={() => (isShown ? setValue(undefined) : void show.run())}
        >
          {isShown ? <EyeClosedIcon /> : <EyeIcon />}
        </ActionIcon>
      </Tooltip>
      <ErrorMessage error={show.error} />
    </Group>
  )
}
