// Completion scripts, written from the tables. They hold the words themselves, so pressing Tab starts no process.
import { commands, isNoun } from './commands/commands.ts'
import { allCommands } from './reference.ts'

interface Words {
  /** What was typed after `keyhold`, as far as it is words: ``, `secret`, `secret list`. */
  readonly path: string
  readonly words: readonly { readonly word: string; readonly summary: string }[]
}

export async function completionScript(shell: 'bash' | 'zsh' | 'fish'): Promise<string> {
  const table = await wordTable()
  if (shell === 'fish') return fishScript(table)
  const cases = table
    .map(({ path, words }) => `    '${path}') words='${words.map(({ word }) => word).join(' ')}' ;;`)
    .join('\n')
  const nouns = Object.entries(commands).flatMap(([name, entry]) => (isNoun(entry) ? [name] : []))
  const body = `  local path='' words='' word count=0
  for word in "\${before[@]}"; do
    case $word in
      --) return 1 ;;
      -*) continue ;;
    esac
    if [ $count -eq 0 ]; then path=$word; fi
    if [ $count -eq 1 ]; then case $path in ${nouns.join('|') || "''"}) path="$path $word" ;; esac; fi
    count=$((count + 1))
  done
  case $path in
${cases}
  esac`
  return shell === 'bash'
    ? `# keyhold completion for bash
_keyhold() {
  local before=("\${COMP_WORDS[@]:1:COMP_CWORD-1}")
${body}
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _keyhold keyhold`
    : `#compdef keyhold
# keyhold completion for zsh
_keyhold() {
  local -a before
  before=("\${(@)words[2,CURRENT-1]}")
  _keyhold_words "\${before[@]}" || _normal
}
_keyhold_words() {
  local -a before
  before=("$@")
${body}
  compadd -- \${=words}
}
compdef _keyhold keyhold`
}

function fishScript(table: readonly Words[]): string {
  const lines = ['# keyhold completion for fish', 'complete -c keyhold -f']
  for (const { path, words } of table) {
    const seen = path.split(' ').filter(Boolean)
    const condition =
      path === ''
        ? '__fish_use_subcommand'
        : seen.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ')
    for (const { word, summary } of words) {
      const what = word.startsWith('--') ? `-l ${word.slice(2)}` : `-a ${word}`
      lines.push(`complete -c keyhold -n '${condition}' ${what} -d '${summary.replaceAll(/['\\]/g, '\\$&')}'`)
    }
  }
  return lines.join('\n')
}

async function wordTable(): Promise<Words[]> {
  const top = Object.entries(commands).map(([word, { summary }]) => ({ word, summary }))
  const table: Words[] = [
    {
      path: '',
      words: [
        ...top,
        { word: '--help', summary: 'show help' },
        { word: '--version', summary: 'print the version' },
      ],
    },
  ]
  for (const [name, entry] of Object.entries(commands)) {
    if (!isNoun(entry)) continue
    table.push({
      path: name,
      words: Object.entries(entry.verbs).map(([word, { summary }]) => ({ word, summary })),
    })
  }
  for (const { path, entry } of allCommands()) {
    const { command } = await entry.load()
    const choices = (command.arguments ?? []).flatMap((argument) => argument.choices ?? [])
    table.push({
      path,
      words: [
        ...choices.map((word: string) => ({ word, summary: '' })),
        ...Object.entries<{ summary: string }>(command.options).map(([option, { summary }]) => ({
          word: `--${option}`,
          summary,
        })),
        { word: '--help', summary: 'show help' },
      ],
    })
  }
  return table
}
