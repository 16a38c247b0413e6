// Where the child, and whatever it starts, reads its secrets. Hooks that Node and Python load before a program (../hooks)
// append a line to a file for each place; a file, because it reaches processes to which nothing is inherited, and because
// appending to it waits for nobody. Fields are separated by tabs:
//
//   hello      ''     program                                     this process is watched
//   read       NAME   program   file   line   column   package    a line asked for a variable
//   inherited  NAME   program   file   line   column   package    a line started a process that has it
//
// The eighth field is `mapped` where file and line are those of the source already. Anybody with this user's rights can
// write there; nothing of it is believed beyond its form.
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pathVariable } from '@keyhold/contract/names'
import type { DeliveredSecret } from './delivery.ts'
import type { UseEvent } from './use-event.ts'
import type { SendUses } from './use-sender.ts'

/** How often the file is looked at. Costs one system call. */
const LOOK_MS = 1_000
/** How long the end of the run waits for the last report. */
const FLUSH_MS = 1_500
/** A program that has not said by then that it is watched is one that cannot tell. */
const SILENT_MS = 3_000
/** From here on the file is replaced by an empty one; the hooks write to none of 1 MiB. */
const FILE_BYTES_MAX = 256 * 1024
const LINE_CHARS_MAX = 8 * 1024
/** Places of one run, as many as the server records. */
const PLACES_MAX = 1_000

export interface RecorderOptions {
  readonly secrets: readonly DeliveredSecret[]
  /** Values that must not be in a report either. */
  readonly referenced: readonly DeliveredSecret[]
  readonly command: string
  /** A directory that only this user can read, and that is there while the child runs. */
  readonly directory: string
  readonly send: SendUses
}

/** Listens to the hooks of one run. Never fails, and never keeps the process alive. */
export class UseRecorder {
  readonly #options: RecorderOptions
  readonly #home: string
  readonly #nameOf = new Map<string, string>()
  /** The current file, and the one before it until it has been read to its end. */
  readonly #files: { fd: number; at: number; rest: string; isOld: boolean }[] = []
  readonly #places = new Set<string>()
  #waiting: UseEvent[] = []
  #hasHeard = false
  #sending: Promise<void> | undefined
  #reporter: Promise<import('./use-report.ts').UseReporter> | undefined
  #timer: NodeJS.Timeout | undefined
  readonly #startedAt = performance.now()

  private constructor(options: RecorderOptions) {
    this.#options = options
    this.#home = join(options.directory, 'uses')
  }

  /**
   * Makes the file, and the variables by which hooks find it.
   * @returns undefined where that cannot be done, or there is nothing to watch.
   */
  static start(options: RecorderOptions, env: Record<string, string>): UseRecorder | undefined {
    const recorder = new UseRecorder(options)
    recorder.#watch(env)
    if (recorder.#nameOf.size === 0) return undefined
    try {
      recorder.#start(env)
      return recorder
    } catch {
      // A full disk, or no place for it: the run is what counts.
      recorder.#close()
      return undefined
    }
  }

  /**
   * Chooses the variables that are watched. A person's own values are not the project's business (decision 0029): a report
   * of one would tell that it is there, and be kept as a use of the project's secret. Where the source is not known, it
   * may be one. What a workspace gets is told of as the workspace's, and the server knows which are own values.
   */
  #watch(env: Record<string, string>): void {
    const { secrets } = this.#options
    const isOfProject = ({ source }: DeliveredSecret) => source !== undefined && source !== 'override'
    const isThere = (name: string) => env[name] !== undefined
    const watched = secrets.filter(isOfProject)
    for (const { name, type } of watched)
      if (type === 'key' && isThere(pathVariable(name))) this.#nameOf.set(pathVariable(name), name)
    // A secret of the name comes before a path.
    for (const { name } of secrets) this.#nameOf.delete(name)
    for (const { name } of watched) if (isThere(name)) this.#nameOf.set(name, name)
  }

  #start(env: Record<string, string>): void {
    mkdirSync(this.#home, { mode: 0o700 })
    writeFileSync(join(this.#home, 'names'), [...this.#nameOf.keys()].join('\n'), { mode: 0o600 })
    this.#open()
    addHooks(env, this.#home)
    this.#timer = setInterval(() => this.#look(), LOOK_MS)
    this.#timer.unref()
  }

  /** The child has ended: sends what is left, and waits a moment for that. */
  async finish(): Promise<void> {
    clearInterval(this.#timer)
    this.#read()
    this.#read()
    this.#tellSilent()
    this.#close()
    if (this.#waiting.length === 0 && this.#sending === undefined) return
    const end = AbortSignal.timeout(FLUSH_MS)
    const over = new Promise<void>((resolve) => end.addEventListener('abort', () => resolve()))
    await Promise.race([over, this.#send(end)])
  }

  #look(): void {
    this.#read()
    if (performance.now() - this.#startedAt >= SILENT_MS) this.#tellSilent()
    if (this.#waiting.length > 0) void this.#send(AbortSignal.timeout(FLUSH_MS * 10))
  }

  /** One report after the other. What did not arrive is not sent again: the server may have it. */
  #send(signal: AbortSignal): Promise<void> {
    this.#sending ??= this.#sendAll(signal)
      .catch(() => {})
      .finally(() => {
        this.#sending = undefined
      })
    return this.#sending
  }

  async #sendAll(signal: AbortSignal): Promise<void> {
    const { secrets, referenced, send } = this.#options
    this.#reporter ??= import('./use-report.ts').then(
      ({ UseReporter }) =>
        new UseReporter(crypto.randomUUID(), [...secrets, ...referenced], process.cwd(), send),
    )
    const reporter = await this.#reporter
    while (this.#waiting.length > 0 && !signal.aborted) await reporter.report(this.#waiting.splice(0), signal)
  }

  /** A program that loads no hook is all that can be told of its secrets. */
  #tellSilent(): void {
    if (this.#hasHeard) return
    this.#hasHeard = true
    const program = basename(this.#options.command)
    for (const name of new Set(this.#nameOf.values())) this.#add({ kind: 'program', name, program })
  }

  #add(event: UseEvent): void {
    const { kind, name, program, file, line, column, via } = event
    const place = JSON.stringify([kind, name, program, file, line, column, via])
    if (this.#places.has(place) || this.#places.size >= PLACES_MAX) return
    this.#places.add(place)
    this.#waiting.push(event)
  }

  #open(): void {
    const path = join(this.#home, 'events')
    const { O_CREAT, O_EXCL, O_RDWR } = constants
    const next = `${path}.next`
    const fd = openSync(next, O_CREAT | O_EXCL | O_RDWR, 0o600)
    // In one step: there is a file at every moment.
    renameSync(next, path)
    for (const file of this.#files) file.isOld = true
    this.#files.push({ fd, at: 0, rest: '', isOld: false })
  }

  #read(): void {
    try {
      for (const file of [...this.#files]) {
        this.#readFile(file)
        if (!file.isOld) {
          if (file.at > FILE_BYTES_MAX) this.#open()
          continue
        }
        // Whoever had it open has written by now.
        this.#files.splice(this.#files.indexOf(file), 1)
        closeSync(file.fd)
      }
    } catch {
      // What cannot be read is not told.
    }
  }

  #readFile(file: { fd: number; at: number; rest: string }): void {
    const { size } = fstatSync(file.fd)
    if (size <= file.at) return
    const bytes = Buffer.allocUnsafe(size - file.at)
    const length = readSync(file.fd, bytes, 0, bytes.length, file.at)
    file.at += length
    const lines = (file.rest + bytes.toString('utf8', 0, length)).split('\n')
    file.rest = lines.pop()?.slice(0, LINE_CHARS_MAX) ?? ''
    for (const line of lines) this.#take(line)
  }

  #take(text: string): void {
    if (text.length > LINE_CHARS_MAX) return
    const [kind, variable = '', program = '', file, line, column, via, remark] = text.split('\t')
    if (kind === 'hello') this.#hasHeard = true
    if (kind !== 'read' && kind !== 'inherited') return
    const name = this.#nameOf.get(variable)
    if (name === undefined) return
    this.#hasHeard = true
    this.#add({
      kind,
      name,
      program,
      ...(file && { file }),
      ...(isPlace(line) && { line: Number(line) }),
      ...(isPlace(column) && { column: Number(column) }),
      ...(via && { via }),
      isMapped: remark === 'mapped',
    })
  }

  #close(): void {
    clearInterval(this.#timer)
    for (const { fd } of this.#files.splice(0)) closeSync(fd)
  }
}

const isPlace = (text: string | undefined): text is string => /^[1-9][0-9]{0,6}$/.test(text ?? '')

/** Sets what makes Node and Python load the hooks; what is there already stays, and comes after them. */
function addHooks(env: Record<string, string>, home: string): void {
  env.KEYHOLD_USES = home
  const node = hookPath('node.cjs')
  const options = env.NODE_OPTIONS ?? ''
  // Inside another run they are there.
  if (node && !options.includes(quoted(node)))
    env.NODE_OPTIONS = [options, `--require ${quoted(node)}`].filter(Boolean).join(' ')
  const python = hookPath('python')
  const folders = env.PYTHONPATH ? env.PYTHONPATH.split(':') : []
  if (python && !folders.includes(python)) env.PYTHONPATH = [python, ...folders].join(':')
}

/** As NODE_OPTIONS has it: in double quotes, with backslashes before what is special there. */
const quoted = (path: string) => (/[\s"\\]/.test(path) ? `"${path.replaceAll(/["\\]/g, '\\$&')}"` : path)

/** @returns undefined where there is none: a hook that is missing would keep every Node program from starting. */
function hookPath(name: string): string | undefined {
  // Sources have it two folders up from here, and bundles beside the folder of their parts.
  const path = fileURLToPath(new URL(`../hooks/${name}`, import.meta.url))
  return existsSync(path) ? path : undefined
}
