// Files with many secrets: .env, JSON and YAML. What is wrong is said by line, and never quotes a value.
import {
  type FileEntry,
  type LineProblem,
  readEnv,
  type SecretFile,
  withoutRepeats,
} from '@keyhold/contract/env-file'
import { LineCounter, parseDocument } from 'yaml'

export type Format = 'env' | 'json' | 'yaml'

/** The format that a file's name promises. */
export function formatOf(path: string): Format {
  const ending = /[.](json|ya?ml)$/i.exec(path)?.[1]?.toLowerCase()
  return ending === undefined ? 'env' : ending === 'json' ? 'json' : 'yaml'
}

/** Reads a file; all that is wrong with it is in `problems`. */
export function readSecretFile(text: string, format: Format): SecretFile {
  return withoutRepeats(format === 'env' ? readEnv(text) : readTree(text, format))
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
