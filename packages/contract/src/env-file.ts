// Files of the form NAME=value, with many secrets. What is wrong with one is said by line, and never quotes a value.

export interface FileEntry {
  readonly name: string
  readonly value: string
  /** From 1. */
  readonly line: number
}

export interface LineProblem {
  readonly line: number
  readonly problem: string
}

export type SecretFile = { readonly entries: readonly FileEntry[]; readonly problems: readonly LineProblem[] }

const ENTRY = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=[ \t]*/
const QUOTES = new Set(['"', "'", '`'])
const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' }

/**
 * The dialect that dotenv programs have in common: `NAME=value`, `export `, comments, three kinds of quotes that may span
 * lines, escapes in double quotes. Variables in values are not expanded: what is stored is what the file says.
 */
export function readEnv(text: string): SecretFile {
  const entries: FileEntry[] = []
  const problems: LineProblem[] = []
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/)
  for (let i = 0; i < lines.length; i++) {
    const line = i + 1
    const start = lines[i]!
    if (/^\s*(?:#.*)?$/.test(start)) continue
    const found = ENTRY.exec(start)
    if (!found) {
      problems.push({ line, problem: 'is neither NAME=value nor a comment' })
      continue
    }
    const name = found[1]!
    let rest = start.slice(found[0].length)
    const quote = rest[0]
    if (quote === undefined || !QUOTES.has(quote)) {
      entries.push({ name, value: rest.replace(/(?:^|\s)#.*$/, '').trim(), line })
      continue
    }
    let end = closingQuote(rest, quote)
    while (end < 0 && i + 1 < lines.length) {
      i += 1
      rest += `\n${lines[i]!}`
      end = closingQuote(rest, quote)
    }
    if (end < 0) problems.push({ line, problem: `the value of ${name} has no closing quote` })
    else if (!/^\s*(?:#.*)?$/.test(rest.slice(end + 1)))
      problems.push({ line, problem: `there is something after the closing quote of ${name}` })
    const inside = rest.slice(1, end < 0 ? undefined : end)
    const value =
      quote === '"' ? inside.replaceAll(/\\([\s\S])/g, (_all, c: string) => escapes[c] ?? c) : inside
    entries.push({ name, value, line })
  }
  return { entries, problems }
}

function closingQuote(text: string, quote: string): number {
  for (let at = 1; at < text.length; at++) {
    if (quote === '"' && text[at] === '\\') at++
    else if (text[at] === quote) return at
  }
  return -1
}

/** The file with a problem for each name that it has twice; problems in the order of their lines. */
export function withoutRepeats(file: SecretFile): SecretFile {
  const lines = new Map<string, number>()
  const twice = file.entries.flatMap(({ name, line }): LineProblem[] => {
    const first = lines.get(name)
    lines.set(name, first ?? line)
    return first === undefined ? [] : [{ line, problem: `${name} is in line ${first} already` }]
  })
  const problems = [...file.problems, ...twice].sort((a, b) => a.line - b.line)
  return { entries: file.entries, problems }
}
