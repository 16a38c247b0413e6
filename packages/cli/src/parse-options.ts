import { parseArgs } from 'node:util'
import type { Command, FlagOption, StringOption } from './command.ts'
import { usageFailure } from './failure.ts'

export interface ParsedLine {
  readonly wantsHelp: boolean
  readonly options: Record<string, string | boolean | readonly string[] | undefined>
  readonly args: readonly string[]
  readonly afterDashes: readonly string[] | undefined
}

const seeHelp = 'see what it takes: add --help'

/** Reads a command's part of the line by its tables. @throws Failure with the usage exit code. */
export async function parseOptions(
  command: Command,
  line: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<ParsedLine> {
  const dashes = line.indexOf('--')
  const takesCommand = command.takesCommand === true
  const ours = takesCommand && dashes >= 0 ? line.slice(0, dashes) : [...line]
  const { tokens } = parseArgs({
    args: ours,
    // Not strict: the messages of node:util quote the whole argument and know nothing of near names.
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: {
      ...Object.fromEntries(
        Object.entries(command.options).map(([name, { type, short }]) => [
          name,
          { type, ...(short ? { short } : {}) },
        ]),
      ),
      help: { type: 'boolean', short: 'h' },
    },
  })

  const given = new Map<string, string[]>()
  const args: string[] = []
  let wantsHelp = false
  for (const token of tokens) {
    if (token.kind === 'positional') {
      args.push(token.value)
    } else if (token.kind === 'option') {
      if (token.name === 'help') {
        wantsHelp = true
        continue
      }
      const option = command.options[token.name]
      if (option === undefined) throw await unknownOption(token.rawName, Object.keys(command.options))
      given.set(token.name, [...(given.get(token.name) ?? []), optionValue(token, option)])
    }
  }
  if (wantsHelp) return { wantsHelp, options: {}, args: [], afterDashes: undefined }

  const options: Record<string, string | boolean | readonly string[] | undefined> = {}
  for (const [name, option] of Object.entries(command.options)) {
    const values = given.get(name)
    if (option.type === 'boolean') {
      options[name] = values !== undefined
    } else if (option.isRepeatable) {
      options[name] = values ?? []
    } else {
      if (values && values.length > 1) throw usageFailure(`--${name} is given twice`)
      options[name] = values?.[0] ?? (option.variable ? env[option.variable] || undefined : undefined)
    }
  }

  const expected = command.arguments ?? []
  const required = expected.filter((argument) => !argument.isOptional)
  if (args.length > expected.length) {
    const extra = args[expected.length]!
    throw takesCommand
      ? usageFailure(`unexpected argument ${quoted(extra)}`, `put -- before the command: -- ${extra} …`)
      : usageFailure(`unexpected argument ${quoted(extra)}`, seeHelp)
  }
  if (args.length < required.length) throw usageFailure(`${required[args.length]!.name} is missing`, seeHelp)
  for (const [index, argument] of expected.entries()) {
    const value = args[index]
    if (value !== undefined && argument.choices && !argument.choices.includes(value)) {
      throw usageFailure(`${argument.name} is one of ${argument.choices.join(', ')}`)
    }
  }
  return {
    wantsHelp,
    options,
    args,
    afterDashes: takesCommand && dashes >= 0 ? line.slice(dashes + 1) : undefined,
  }
}

function optionValue(
  token: { rawName: string; value?: string | undefined; inlineValue?: boolean | undefined },
  option: StringOption | FlagOption,
): string {
  if (option.type === 'boolean') {
    if (token.inlineValue) throw usageFailure(`${token.rawName} takes no value`)
    return ''
  }
  const { value } = token
  if (value === undefined) throw usageFailure(`${token.rawName} needs ${option.placeholder}`)
  if (!token.inlineValue && value.startsWith('-')) {
    throw usageFailure(
      `${token.rawName} needs ${option.placeholder}`,
      `write ${token.rawName}=… when the value starts with -`,
    )
  }
  if (option.choices && !option.choices.includes(value)) {
    throw usageFailure(`${token.rawName} is one of ${option.choices.join(', ')}`)
  }
  return value
}

// Only the option's name is repeated, never the value that may follow it: people do paste tokens into the wrong place.
async function unknownOption(rawName: string, names: readonly string[]): Promise<Error> {
  const { closest } = await import('./closest.ts')
  const name = rawName.replace(/^-+/, '')
  const near = rawName.startsWith('--') ? closest(name, [...names, 'help']) : undefined
  return usageFailure(`unknown option ${rawName}`, near ? `did you mean --${near}?` : seeHelp)
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)
}
