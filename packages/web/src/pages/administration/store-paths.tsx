import { LongTextField } from '../../ui/fields.tsx'
import { storeWords as words } from './messages.ts'

/** Each line that is not empty, without the space around it. */
export const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')

interface PathsProps {
  readonly action: { readonly error: unknown }
  readonly value: string
  readonly onValue: (value: string) => void
}

/** What workspaces may take, a line each. */
export function PathsField(props: PathsProps) {
  return <LongTextField label={words.paths} description={words.pathsHelp} field="paths" required {...props} />
}
