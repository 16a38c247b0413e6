import { commands, type Entry, isNoun } from './commands/commands.ts'
import { usageFailure } from './failure.ts'

export interface FoundCommand {
  /** `run`, or `secret list`. */
  readonly path: string
  readonly entry: Entry
  readonly rest: readonly string[]
}

/** Finds the command that a line starts with. @throws Failure with the usage exit code. */
export async function findCommand(
  line: readonly string[],
): Promise<FoundCommand | { readonly noun: string }> {
  const [name = '', second = ''] = line
  // A table, not a prototype: `keyhold constructor` is no command.
  const first = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (first === undefined) throw await unknownCommand(name, '', Object.keys(commands))
  if (!isNoun(first)) return { path: name, entry: first, rest: line.slice(1) }
  if (second === '' || second === '--help' || second === '-h') return { noun: name }
  const entry = Object.hasOwn(first.verbs, second) ? first.verbs[second] : undefined
  if (entry === undefined) throw await unknownCommand(second, `${name} `, Object.keys(first.verbs))
  return { path: `${name} ${second}`, entry, rest: line.slice(2) }
}

async function unknownCommand(word: string, before: string, names: readonly string[]): Promise<Error> {
  const { closest } = await import('./closest.ts')
  const near = closest(word, names)
  const shown = word.length > 40 ? `${word.slice(0, 40)}…` : word
  return usageFailure(
    shown.startsWith('-') ? `unknown option ${shown.split('=')[0]}` : `unknown command "${before}${shown}"`,
    near ? `did you mean "keyhold ${before}${near}"?` : `see "keyhold ${before}--help" for the commands`,
  )
}
