// What a report of use says, made from what the hooks told: lines of the source, paths from where the run was started, and
// no value of a secret.
import { readFileSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, isAbsolute, join, relative, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { originalPositionFor, TraceMap } from '@jridgewell/trace-mapping'
import type { SecretUse } from '@keyhold/contract/api/uses'
import { Masker } from '@keyhold/masking'
import type { DeliveredSecret } from './delivery.ts'
import type { UseEvent } from './use-event.ts'
import type { SendUses } from './use-sender.ts'

const USES_PER_REPORT = 100
const PATH_CHARS_MAX = 512
const NAME_CHARS_MAX = 100
/** Of a file whose comment names a source map, and of the map. */
const SOURCE_BYTES_MAX = 32 * 1024 * 1024
const COMMENT_CHARS = 4 * 1024
/** What the server takes in no text: control characters, those that turn the direction of text, and half characters. */
const UNPRINTABLE =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]/gu
const PACKAGE = /^@?[A-Za-z0-9_][A-Za-z0-9._~-]*(?:\/[A-Za-z0-9._~-]+)?$/

interface Place {
  readonly file?: string | undefined
  readonly line?: number | undefined
  readonly column?: number | undefined
}

/** Reports the uses of one run. */
export class UseReporter {
  readonly #run: string
  readonly #root: string
  readonly #send: SendUses
  readonly #masker: Masker
  readonly #maps = new Map<string, TraceMap | undefined>()
  #isFull = false

  constructor(run: string, secrets: readonly DeliveredSecret[], root: string, send: SendUses) {
    this.#run = run
    this.#root = realPath(root)
    this.#send = send
    this.#masker = new Masker(secrets, { replacement: 'label' })
  }

  /** Sends some uses, until the server has enough of this run. @throws Error when a report did not arrive */
  async report(events: readonly UseEvent[], signal: AbortSignal): Promise<void> {
    for (let i = 0; i < events.length && !this.#isFull; i += USES_PER_REPORT) {
      const uses = events.slice(i, i + USES_PER_REPORT).map((event) => this.#use(event))
      this.#isFull = (await this.#send({ run: this.#run, uses }, signal)) <= 0
    }
  }

  #use({ kind, name, program, via, isMapped, ...place }: UseEvent): SecretUse {
    const { file, line, column } = isMapped ? place : this.#original(place)
    const shown = file === undefined ? undefined : this.#shownFile(file)
    const isPackage = via !== undefined && PACKAGE.test(via) && via.length <= NAME_CHARS_MAX
    return {
      name,
      kind,
      program:
        printable(this.#clean(basename(program)).slice(0, NAME_CHARS_MAX)).replaceAll(/[/\\]/g, '_') ||
        'program',
      ...(shown !== undefined && { file: shown }),
      ...(shown !== undefined && line !== undefined && { line }),
      ...(shown !== undefined && column !== undefined && { column }),
      ...(isPackage && this.#clean(via) === via && { via }),
    }
  }

  /** Where a line of generated code was written, by the source map that its file names. */
  #original(place: Place): Place {
    const { file, line, column } = place
    if (file === undefined || line === undefined) return place
    const path = filePath(file)
    if (path === undefined) return place
    if (!this.#maps.has(path)) this.#maps.set(path, readSourceMap(path))
    const found = this.#maps.get(path)
    if (found === undefined) return place
    const original = originalPositionFor(found, { line, column: Math.max(0, (column ?? 1) - 1) })
    if (original.source === null) return place
    return { file: original.source, line: original.line, column: original.column + 1 }
  }

  /** Relative to where the run was started; of files elsewhere only the name. */
  #shownFile(file: string): string | undefined {
    const path = filePath(file) ?? file
    // `webpack://name/./src/app.ts`: what bundlers write for a path in the project.
    const bare = path.replace(/^[a-z-]+:\/\/[^/]*\/(?:\.\/)?/, '')
    let shown = bare
    if (isAbsolute(bare)) {
      shown = relative(this.#root, realPath(bare))
      if (shown === '' || shown.startsWith(`..${sep}`) || isAbsolute(shown)) shown = basename(bare)
    }
    shown = this.#clean(shown)
    const isFine =
      shown.length <= PATH_CHARS_MAX && !/^[/\\]|^[A-Za-z]:|:\/\/|(?:^|[/\\])\.\.(?:[/\\]|$)/.test(shown)
    // What would look like a path from elsewhere is a name.
    if (!isFine) shown = printable(basename(shown).slice(-PATH_CHARS_MAX)).replaceAll(/[\\:]/g, '_')
    return shown === '' || shown === '..' ? undefined : shown
  }

  /** The text without values of secrets and without what would drive a terminal. */
  #clean(text: string): string {
    const stream = this.#masker.stream()
    const pieces = [...stream.write(Buffer.from(text)), ...stream.end()]
    return printable(Buffer.concat(pieces).toString('utf8'))
  }
}

/** To be applied again to what was cut, which may end in half a character. */
const printable = (text: string) => text.replaceAll(UNPRINTABLE, '\ufffd')

/** @returns undefined for what is no file, such as `[eval]` or a path of a bundler. */
function filePath(file: string): string | undefined {
  if (file.startsWith('file:')) return URL.canParse(file) ? fileURLToPath(file) : undefined
  return isAbsolute(file) ? file : undefined
}

function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

/** Reads the map that the last lines of a file name (ECMA-426 §11.1.2.1); undefined without one that can be read. */
function readSourceMap(path: string): TraceMap | undefined {
  try {
    if (!/\.[cm]?jsx?$/.test(path) || statSync(path).size > SOURCE_BYTES_MAX) return undefined
    const code = readFileSync(path, 'utf8')
    const comment = code.lastIndexOf('//# sourceMappingURL=')
    if (comment < 0) return undefined
    const [address = ''] = code.slice(comment + '//# sourceMappingURL='.length).split(/\s/, 1)
    const inline = /^data:application\/json[^,]*;base64,/.exec(address)
    if (!inline && address.length > COMMENT_CHARS) return undefined
    const home = inline ? path : join(dirname(path), decodeURIComponent(address))
    if (!inline && statSync(home).size > SOURCE_BYTES_MAX) return undefined
    const json = inline
      ? Buffer.from(address.slice(inline[0].length), 'base64').toString('utf8')
      : readFileSync(home, 'utf8')
    return new TraceMap(json, pathToFileURL(home).href)
  } catch {
    // No map, or none that is one: the line that runs will do.
    return undefined
  }
}
