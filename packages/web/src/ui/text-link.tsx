import { Anchor, type AnchorProps } from '@mantine/core'
import { createLink } from '@tanstack/react-router'
import type { ReactNode, Ref } from 'react'

interface Props extends Omit<AnchorProps, 'href'> {
  readonly ref?: Ref<HTMLAnchorElement>
  readonly children?: ReactNode
}

/** A link in a text, to a place of this application. */
export const TextLink = createLink((props: Props) => <Anchor {...props} />)
