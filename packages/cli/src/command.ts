// What a command is. There is deliberately no kind of option that takes a secret: arguments are seen by every process of
// the machine and stay in the shell's history. A value comes from standard input or from a prompt on the terminal.
import type { Terminal } from './terminal.ts'

export interface StringOption {
  readonly type: 'string'
  readonly short?: string
  readonly summary: string
  /** What stands for the value in the help, in capitals. */
  readonly placeholder: string
  readonly choices?: readonly string[]
  readonly isRepeatable?: boolean
  /** The environment variable that is read when the option is not given. */
  readonly variable?: `KEYHOLD_${string}`
}

export interface FlagOption {
  readonly type: 'boolean'
  readonly short?: string
  readonly summary: string
}

export type OptionTable = { readonly [name: string]: StringOption | FlagOption }

export type OptionValues<O extends OptionTable> = {
  readonly [N in keyof O]: O[N] extends { readonly type: 'boolean' }
    ? boolean
    : O[N] extends { readonly isRepeatable: true }
      ? readonly string[]
      : string | undefined
}

export interface Argument {
  /** In capitals. */
  readonly name: string
  readonly summary: string
  readonly isOptional?: boolean
  readonly choices?: readonly string[]
}

export interface Context<O extends OptionTable = OptionTable> {
  readonly options: OptionValues<O>
  /** As many as the command has arguments, at most. */
  readonly args: readonly string[]
  /** What follows `--`, untouched; undefined without `--`. */
  readonly afterDashes: readonly string[] | undefined
  readonly env: NodeJS.ProcessEnv
  readonly terminal: Terminal
}

export interface Command<O extends OptionTable = OptionTable> {
  /** What the help shows after `keyhold <noun> <verb>`. */
  readonly usage: string
  /** Paragraphs below the summary, which is in `commands/commands.ts`. */
  readonly description?: string
  readonly arguments?: readonly Argument[]
  readonly options: O
  readonly examples: readonly { readonly does: string; readonly command: string }[]
  /** True when what follows `--` is for the command; else `--` only ends the options. */
  readonly takesCommand?: boolean
  /** True when the rest of the line belongs to another program, help included; it is in `args`. */
  readonly passesThrough?: boolean
  /** @returns the exit code; nothing is 0. */
  run(context: Context<O>): Promise<number | undefined> | Promise<void>
}

/** Declares a command; the types of `context.options` come from its table. */
export function defineCommand<const O extends OptionTable>(command: Command<O>): Command<O> {
  return command
}

/** The option of every command that reads something. */
export const jsonOption = { type: 'boolean', summary: 'print JSON' } as const
