// The help, rendered from the tables that the parser uses, so that it cannot say something else.
import type { Command, OptionTable } from './command.ts'
import { commands, isNoun } from './commands/commands.ts'

export function overview(): string {
  return [
    'Keyhold: one place for every key a developer’s work needs',
    '',
    'usage: keyhold COMMAND [OPTIONS] [ARGUMENTS]',
    '',
    'commands:',
    ...aligned(Object.entries(commands).map(([name, entry]) => [name, entry.summary])),
    '',
    'options:',
    ...aligned([
      ['-h, --help', 'show this'],
      ['-V, --version', 'print the version'],
    ]),
    '',
    'exit codes: 0 done, 1 failed, 2 wrong usage, 4 not signed in; "run" exits as its command did',
    '',
    '"keyhold COMMAND -h" is a reminder of one command, "keyhold COMMAND --help" explains it.',
  ].join('\n')
}

export function nounHelp(noun: string): string {
  const entry = commands[noun]
  if (entry === undefined || !isNoun(entry)) return overview()
  return [
    entry.summary,
    '',
    `usage: keyhold ${noun} COMMAND [OPTIONS] [ARGUMENTS]`,
    '',
    'commands:',
    ...aligned(Object.entries(entry.verbs).map(([verb, { summary }]) => [verb, summary])),
  ].join('\n')
}

export function commandHelp(path: string, summary: string, command: Command, isShort: boolean): string {
  const lines = [summary, '', `usage: ${usageLine(path, command)}`]
  if (!isShort && command.description) lines.push('', command.description)
  if (command.arguments?.length) {
    lines.push('', 'arguments:', ...aligned(command.arguments.map(({ name, summary }) => [name, summary])))
  }
  lines.push('', 'options:', ...aligned(optionRows(command.options)))
  if (!isShort && command.examples.length > 0) {
    lines.push('', 'examples:')
    for (const { does, command: line } of command.examples) lines.push(`  # ${does}`, `  ${line}`)
  }
  return lines.join('\n')
}

export function usageLine(path: string, command: Command): string {
  return `keyhold ${path} ${command.usage}`.trimEnd()
}

/** Lists a command's options, `--help` last, as the text before and the explanation. */
export function optionRows(options: OptionTable): [string, string][] {
  const rows = Object.entries(options).map(([name, option]): [string, string] => {
    const short = option.short ? `-${option.short}, ` : ''
    if (option.type === 'boolean') return [`${short}--${name}`, option.summary]
    const value = option.choices ? option.choices.join('|') : option.placeholder
    const repeat = option.isRepeatable ? '; may be repeated' : ''
    const variable = option.variable ? `; else $${option.variable}` : ''
    return [`${short}--${name}=${value}`, `${option.summary}${repeat}${variable}`]
  })
  return [...rows, ['-h, --help', 'show help; --help shows more than -h']]
}

function aligned(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`)
}
