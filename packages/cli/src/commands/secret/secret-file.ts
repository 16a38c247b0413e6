// Files with many secrets: .env, JSON and YAML. What is wrong is said by line, and never quotes a value.
import { LineCounter, parseDocument } from 'yaml'

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

export type Format = 'env' | 'json' | 'yaml'

/** The format that a file's name promises. */
export function formatOf(path: string): Format {
  const ending = /[.](json|ya?ml)$/i.exec(path)?.[1]?.toLowerCase()
  return ending === undefined ? 'env' : ending === 'json' ? 'json' : 'yaml'
}

/** Reads a file; all that is wrong with it is in `problems`. */
export function readSecretFile(text: string, format: Format): SecretFile {
  const file = format === 'env' ? readEnv(text) : readTree(text, format)
  const lines = new Map<string, number>()
  const twice = file.entries.flatMap(({ name, line }): LineProblem[] => {
    const first = lines.get(name)
    lines.set(name, first ?? line)
    return first === undefined ? [] : [{ line, problem: `${name} is in line ${first} already` }]
  })
  const problems = [...file.problems, ...twice].sort((a, b) => a.line - b.line)
  return { entries: file.entries, problems }
}

const ENTRY = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=[ \t]*/
const QUOTES = new Set(['"', "'", '`'])
const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' }

/**
 * The dialect that dotenv programs have in common: `NAME=value`, `export `, comments, three kinds of quotes that may span
 * lines, escapes in double quotes. Variables in values are not expanded: what is stored is what the file says.
 */
function readEnv(text: string): SecretFile {
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

/** A mapping of names to texts. Scalars are taken as they are written: `1.0` stays `1.0`, and `yes` stays `yes`. */
function readTree(text: string, format: 'json' | 'yaml'): SecretFile {
  if (format === 'json' && !isJson(text))
    return { entries: [], problems: [{ line: 1, problem: 'the file is not JSON' }] }
  const counter = new LineCounter()
  const document = parseDocument(text, { schema: 'failsafe', uniqueKeys: false, lineCounter: counter })
  const lineOf = (offset: number | undefined) => Math.max(1, counter.linePos(offset ?? 0).line)
  // The library's texts quote the file.
  const problems: LineProblem[] = document.errors.map(({ pos }) => ({
    line: lineOf(pos[0]),
    problem: `is not ${format === 'json' ? 'JSON' : 'YAML'}`,
  }))
  if (problems.length > 0) return { entries: [], problems }
  const root = document.contents
  if (root === null || !isMap(root))
    return { entries: [], problems: [{ line: 1, problem: 'the file is not a list of names with values' }] }
  const entries: FileEntry[] = []
  for (const { key, value } of root.items) {
    const line = lineOf(key.range?.[0])
    const name = typeof key.value === 'string' ? key.value : ''
    const isPlain = value?.type === 'PLAIN'
    if (value === null || !('value' in value) || typeof value.value !== 'string')
      problems.push({ line, problem: 'the value is a list or a mapping, not text' })
    else if (isPlain && /^(?:|~|null)$/i.test(value.value))
      problems.push({ line, problem: 'there is no value; an empty one is written ""' })
    else entries.push({ name, value: value.value, line })
  }
  return { entries, problems }
}

interface MapNode {
  readonly items: readonly {
    readonly key: { readonly value?: unknown; readonly range?: readonly number[] }
    readonly value: { readonly value?: unknown; readonly type?: string } | null
  }[]
}

function isMap(node: object): node is MapNode {
  return 'items' in node && Array.isArray(node.items) && node.items.every((item) => 'key' in Object(item))
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    // Its error quotes the text.
    return false
  }
}
