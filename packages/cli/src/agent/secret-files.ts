// Files of a workspace's secrets. The bytes are in memory, in a directory that only this user can enter; where a file was
// chosen to be is a link to them. So nothing is on a disk, and what the agent put somewhere can be told from what people did.
import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import type { FileProblem } from '@keyhold/contract/api/deliveries'
import { codeOf } from '../failure.ts'
import {
  isPrivateDirectory,
  memoryPlace,
  PrivateDirectory,
  removeLeftover,
  sweepLeftovers,
} from '../run/private-directory.ts'

/** A file as the server wants it. */
export interface WantedFile {
  /** Begins with `~/` or `/`. */
  readonly path: string
  readonly value: Uint8Array
}

/** What became of one: where it is, or why it is not there. */
export type FileOutcome = { readonly file: string } | { readonly problem: FileProblem }

/** What was put somewhere, as it is kept for the next agent should this one be killed. No values. */
interface Put {
  readonly link: string
  /** Where the bytes are. */
  readonly target: string
  /** Folders that were made for it, the outermost first. */
  readonly folders: readonly string[]
}

interface Kept {
  /** In memory. */
  readonly directory: string
  readonly puts: readonly Put[]
}

interface Held {
  readonly target: string
  readonly value: Uint8Array
  put: Put | undefined
}

class Refusal extends Error {
  readonly problem: FileProblem

  constructor(problem: FileProblem) {
    super(problem)
    this.problem = problem
  }
}

const FILE = 'files.json'

export interface SecretFilesOptions {
  readonly env: NodeJS.ProcessEnv
  /** State directory of the agent. */
  readonly directory: string
  /** Folders outside the home directory in which files may be. */
  readonly allowed: readonly string[]
}

export class SecretFiles {
  readonly #options: SecretFilesOptions
  readonly #held = new Map<string, Held>()
  #memory: PrivateDirectory | undefined
  #count = 0
  #hasBegun = false

  constructor(options: SecretFilesOptions) {
    this.#options = options
  }

  /**
   * Sees that exactly these files are there. What is as it should be is not touched: a program may have written to it.
   * @returns what became of each, by its path.
   */
  apply(wanted: readonly WantedFile[]): ReadonlyMap<string, FileOutcome> {
    this.#begin()
    // A session that ended may have taken it away, and somebody else may have made another one of its name.
    if (this.#memory && !this.#memory.isPrivate) this.#forget()
    const paths = new Set(wanted.map(({ path }) => path))
    for (const path of this.#held.keys()) if (!paths.has(path)) this.#remove(path)
    const outcomes = new Map<string, FileOutcome>()
    for (const file of wanted) outcomes.set(file.path, this.#outcome(file))
    return outcomes
  }

  /** Removes all of them, and the place where they were. */
  close(): void {
    if (!this.#hasBegun) return
    this.#forget()
    rmSync(join(this.#options.directory, FILE), { force: true })
    this.#hasBegun = false
  }

  #forget(): void {
    for (const path of this.#held.keys()) this.#remove(path)
    this.#memory?.remove()
    this.#memory = undefined
  }

  /** Removes what an agent that was killed has left. */
  #begin(): void {
    if (this.#hasBegun) return
    this.#hasBegun = true
    const kept = this.#readKept()
    // Believed of links alone that lead to such a directory, and of nothing else.
    if (kept && isPrivateDirectory(kept.directory)) {
      for (const put of kept.puts) if (`${put?.target}`.startsWith(`${kept.directory}/`)) unlink(put)
      removeLeftover(kept.directory)
    }
    const { env } = this.#options
    const place = memoryPlace(env)
    if (place !== undefined) sweepLeftovers(env, place)
  }

  #outcome(wanted: WantedFile): FileOutcome {
    try {
      return { file: this.#put(wanted) }
    } catch (error) {
      this.#remove(wanted.path)
      return { problem: error instanceof Refusal ? error.problem : 'failed' }
    }
  }

  #put({ path, value }: WantedFile): string {
    const { link, folders } = this.#place(path)
    const target = this.#write(path, value)
    const held = this.#held.get(path)! // `!`: it has just been written.
    if (held.put?.link !== link) held.put = { link, target, folders: [...folders] }
    // Before it is there: whoever is killed now leaves nothing that nobody knows of.
    if (readLink(link) !== target) this.#keep()
    putLink(link, target)
    return link
  }

  /** Writes the bytes, if they are others than before. @returns where they are. */
  #write(path: string, value: Uint8Array): string {
    const held = this.#held.get(path)
    const status = held && lstatSync(held.target, { throwIfNoEntry: false })
    const isThere = status?.isFile() && status.uid === process.getuid?.()
    if (held && isThere && Buffer.compare(held.value, value) === 0) return held.target
    const target = held?.target ?? join(this.#folder(), basename(path))
    mkdirSync(dirname(target), { recursive: true, mode: 0o700 })
    const temporary = `${dirname(target)}/.new`
    rmSync(temporary, { force: true })
    const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants
    const file = openSync(temporary, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0o600)
    try {
      for (let written = 0; written < value.length; ) written += writeSync(file, value, written)
    } finally {
      closeSync(file)
    }
    renameSync(temporary, target)
    this.#held.set(path, { target, value, put: held?.put })
    return target
  }

  /** A folder for one file, so that it has the name that programs expect. */
  #folder(): string {
    this.#count += 1
    if (this.#memory === undefined) {
      const place = memoryPlace(this.#options.env)
      if (place === undefined) throw new Refusal('no-memory')
      this.#memory = new PrivateDirectory(this.#options.env, place, 'files')
    }
    return join(this.#memory.path, String(this.#count))
  }

  /** Where a file is to be, with the folders on the way made. @throws Refusal */
  #place(path: string): { link: string; folders: string[] } {
    const { base, rest } = this.#base(path)
    const segments = rest.split('/')
    if (segments.some((segment) => ['', '.', '..'].includes(segment) || segment.includes('\0')))
      throw new Refusal('outside')
    const made = this.#held.get(path)?.put?.folders.slice() ?? []
    let folder = base
    assertOurs(folder)
    for (const segment of segments.slice(0, -1)) {
      folder = join(folder, segment)
      if (lstatSync(folder, { throwIfNoEntry: false }) === undefined) {
        mkdirSync(folder, { mode: 0o700 })
        if (!made.includes(folder)) made.push(folder)
      }
      assertOurs(folder)
    }
    // What the agent itself keeps is nobody's file.
    if (folder === realPath(this.#options.directory)) throw new Refusal('outside')
    return { link: join(folder, segments.at(-1) ?? ''), folders: made }
  }

  /** The folder in which the file has to be, without links, and the way from there. */
  #base(path: string): { base: string; rest: string } {
    const home = this.#options.env.HOME || homedir()
    if (path.startsWith('~/')) return { base: realPath(home), rest: path.slice(2) }
    for (const one of [home, ...this.#options.allowed]) {
      const folder = one.replace(/\/+$/, '')
      if (path.startsWith(`${folder}/`))
        return { base: realPath(folder || '/'), rest: path.slice(folder.length + 1) }
    }
    throw new Refusal('outside')
  }

  #remove(path: string): void {
    const held = this.#held.get(path)
    if (!held) return
    this.#held.delete(path)
    if (held.put) unlink(held.put)
    if (this.#memory?.isThere) rmSync(dirname(held.target), { recursive: true, force: true })
  }

  #keep(): void {
    if (this.#memory === undefined) return
    const puts = [...this.#held.values()].flatMap(({ put }) => put ?? [])
    const kept: Kept = { directory: this.#memory.path, puts }
    const path = join(this.#options.directory, FILE)
    writeFileSync(`${path}.new`, JSON.stringify(kept), { mode: 0o600 })
    renameSync(`${path}.new`, path)
  }

  #readKept(): Kept | undefined {
    try {
      const kept = JSON.parse(readFileSync(join(this.#options.directory, FILE), 'utf8'))
      return typeof kept?.directory === 'string' && Array.isArray(kept.puts) ? kept : undefined
    } catch {
      // None, or cut off: the links lead nowhere.
      return undefined
    }
  }
}

/** @throws Refusal unless it is a folder of this user, in which nobody else can put something. */
function assertOurs(folder: string): void {
  const status = lstatSync(folder)
  if (!status.isDirectory()) throw new Refusal('no-folder')
  // Many systems give each user a group, and let it write.
  const isForOthers = (status.mode & (status.gid === process.getgid?.() ? 0o002 : 0o022)) !== 0
  if (status.uid !== process.getuid?.() || isForOthers) throw new Refusal('foreign-folder')
}

/** @throws Refusal when something else is there. Never replaces a file, whoever made it meanwhile. */
function putLink(link: string, target: string): void {
  if (readLink(link) === target) return
  try {
    symlinkSync(target, link)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw new Refusal('taken')
    throw error
  }
}

/** Takes a link away, if it is still the one that was put there, and the folders that were made for it and are empty. */
function unlink({ link, target, folders }: Put): void {
  try {
    if (readLink(link) === target) unlinkSync(link)
    for (const folder of folders.toReversed()) rmdirSync(folder)
  } catch {
    // Somebody else uses the folder by now, or all of it has gone.
  }
}

/** @returns undefined when there is no link. */
function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

/** @throws Refusal when it is not there. */
function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    throw new Refusal('no-folder')
  }
}
