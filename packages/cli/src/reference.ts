import { commands, type Entry, isNoun } from './commands/commands.ts'
import { optionRows, usageLine } from './help.ts'

/** Lists every command with its path, in the order of the help. */
export function allCommands(): { path: string; entry: Entry }[] {
  return Object.entries(commands).flatMap(([name, entry]) =>
    isNoun(entry)
      ? Object.entries(entry.verbs).map(([verb, verbEntry]) => ({
          path: `${name} ${verb}`,
          entry: verbEntry,
        }))
      : [{ path: name, entry }],
  )
}

/** Renders the reference of the whole command line as Markdown, from the tables that the parser uses. */
export async function renderReference(): Promise<string> {
  const all = allCommands()
  const parts = [
    '# The `keyhold` command',
    'Data goes to standard output, everything else to standard error. Exit codes: 0 done, 1 failed, 2 wrong usage,\n' +
      '4 not signed in. `keyhold run` exits as its command did.',
    ['| Command | |', '| --- | --- |']
      .concat(
        all.map(
          ({ path, entry }) =>
            `| [\`keyhold ${path}\`](#keyhold-${path.replace(' ', '-')}) | ${cell(entry.summary)} |`,
        ),
      )
      .join('\n'),
  ]
  for (const { path, entry } of all) {
    const { command } = await entry.load()
    parts.push(`## \`keyhold ${path}\``, sentence(entry.summary), fenced(usageLine(path, command)))
    if (command.description) parts.push(command.description)
    if (command.arguments?.length) {
      const rows = command.arguments.map(({ name, summary }) => `| \`${name}\` | ${cell(summary)} |`)
      parts.push(['| Argument | |', '| --- | --- |', ...rows].join('\n'))
    }
    if (!command.passesThrough) {
      const rows = optionRows(command.options).map(
        ([left, right]) => `| \`${cell(left)}\` | ${cell(right)} |`,
      )
      parts.push(['| Option | |', '| --- | --- |', ...rows].join('\n'))
    }
    if (command.examples.length > 0) {
      parts.push(fenced(command.examples.map(({ does, command: line }) => `# ${does}\n${line}`).join('\n\n')))
    }
  }
  return `${parts.join('\n\n')}\n`
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}

function fenced(text: string): string {
  return `\`\`\`sh\n${text}\n\`\`\``
}
