// Where secret files are while the child runs: a directory that only this user can enter, in memory where the system has
// such a place, named `keyhold-run-<namespace>-<pid>-<start>-<random>` after the keyhold that owns it. It goes when the
// child ends. A keyhold killed with -9 cannot tidy up, so every run removes the directories whose owner is gone. The files
// of a workspace's agent are in such a directory too, `keyhold-files-…`, and in memory or not at all.
import {
  accessSync,
  type BigIntStats,
  constants,
  lstatSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { codeOf, Failure } from '../failure.ts'
import { findProcess, processNamespace } from './process-table.ts'

/** Whose directory it is: of a program that `keyhold run` started, or of an agent. */
type Purpose = 'run' | 'files'
const NAME = /^keyhold-(?<purpose>run|files)-(?<namespace>\d+)-(?<pid>\d+)-(?<startedAt>\w+)-\w+$/
/** statfs type of a file system in memory (linux/magic.h). */
const TMPFS_MAGIC = 0x01021994
const RAMFS_MAGIC = 0x858458f6

export class PrivateDirectory {
  readonly path: string
  /** Which directory it is: somebody else may have made another one of its name. */
  readonly #made: string
  #isRemoved = false

  constructor(env: NodeJS.ProcessEnv, place = privatePlace(env), purpose: Purpose = 'run') {
    const startedAt = findProcess(process.pid)?.startedAt ?? '0'
    const name = `keyhold-${purpose}-${processNamespace()}-${process.pid}-${startedAt}-`
    try {
      // 0700, whatever the umask (mkdtemp(3)).
      this.path = mkdtempSync(join(place, name))
    } catch (error) {
      throw new Failure(`no private directory can be made in ${place} (${codeOf(error)})`, {
        hints: ['set XDG_RUNTIME_DIR or TMPDIR to a directory that can be written'],
      })
    }
    this.#made = identityOf(lstatSync(this.path, { bigint: true }))
    // On every way out that runs JavaScript. What else can happen is swept by the next run.
    process.once('exit', () => this.remove())
  }

  /** Writes a file that only this user can read. @returns its path. */
  write(name: string, value: Uint8Array): string {
    const path = join(this.path, name)
    try {
      writeFileSync(path, value, { mode: 0o600, flag: 'wx' })
    } catch (error) {
      throw new Failure(`the file of ${name} cannot be written to ${this.path} (${codeOf(error)})`)
    }
    return path
  }

  /** Whether it is still the one that was made. */
  get isThere(): boolean {
    const status = this.#status()
    return status !== undefined && this.#isOurs(status)
  }

  /** Whether besides nobody else can enter it. */
  get isPrivate(): boolean {
    const status = this.#status()
    return status !== undefined && this.#isOurs(status) && (status.mode & 0o077n) === 0n
  }

  #status(): BigIntStats | undefined {
    return lstatSync(this.path, { bigint: true, throwIfNoEntry: false })
  }

  #isOurs(status: BigIntStats): boolean {
    return (
      status.isDirectory() &&
      identityOf(status) === this.#made &&
      status.uid === BigInt(process.getuid?.() ?? -1)
    )
  }

  remove(): void {
    if (this.#isRemoved) return
    this.#isRemoved = true
    try {
      if (this.isThere) rmSync(this.path, { recursive: true, force: true })
    } catch {
      // A child that still writes there can make this fail; the next run sweeps.
    }
  }
}

const identityOf = ({ dev, ino }: BigIntStats): string => `${dev}:${ino}`

/** Removes what killed runs and agents of this user have left. Never fails. */
export function sweepLeftovers(env: NodeJS.ProcessEnv, place = privatePlace(env)): void {
  try {
    const ourNamespace = processNamespace()
    for (const entry of readdirSync(place)) {
      const owner = NAME.exec(entry)?.groups
      // Process numbers of another container mean nothing here.
      if (owner === undefined || owner.namespace !== ourNamespace) continue
      const path = join(place, entry)
      const status = lstatSync(path)
      if (!status.isDirectory() || status.uid !== process.getuid?.()) continue
      // The start is compared because process numbers are used again.
      if (findProcess(Number(owner.pid))?.startedAt === owner.startedAt) continue
      rmSync(path, { recursive: true, force: true })
    }
  } catch {
    // Another run may be sweeping the same directory.
  }
}

/** Whether a path is of such a directory. */
export const isPrivateDirectory = (path: string): boolean => NAME.test(basename(path))

/** Removes such a directory whoever made it, if it is this user's. Never fails. */
export function removeLeftover(path: string): void {
  try {
    const status = lstatSync(path)
    if (!isPrivateDirectory(path) || !status.isDirectory() || status.uid !== process.getuid?.()) return
    rmSync(path, { recursive: true, force: true })
  } catch {
    // It has gone.
  }
}

function privatePlace(env: NodeJS.ProcessEnv): string {
  return memoryPlace(env) ?? tmpdir()
}

/** A directory in memory that this user can write to. @returns undefined where the system has none. */
export function memoryPlace(env: NodeJS.ProcessEnv): string | undefined {
  return [env.XDG_RUNTIME_DIR, '/dev/shm', '/run'].find((place) => place && isInMemory(place))
}

function isInMemory(place: string): boolean {
  try {
    accessSync(place, constants.W_OK | constants.X_OK)
    const { type } = statfsSync(place)
    return type === TMPFS_MAGIC || type === RAMFS_MAGIC
  } catch {
    return false
  }
}
