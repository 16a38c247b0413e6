import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { codeOf, Failure } from '../failure.ts'

/** Result code of SQLite: somebody else holds the lock (sqlite.org/rescode.html). */
const SQLITE_BUSY = 5

/**
 * Sees that one agent uses a state directory: two would take the credential from each other. The lock is one of the system on a
 * file, which ends with the process however that ends; Node has it in SQLite alone, so the file is a database with nothing in it.
 */
export class AgentLock {
  readonly #database: DatabaseSync
  readonly #pidPath: string

  /** @throws Failure when another agent has it, which names that one. */
  constructor(directory: string) {
    this.#pidPath = join(directory, 'agent.pid')
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 })
      this.#database = new DatabaseSync(join(directory, 'agent.lock'))
      // No journal: nothing is ever written.
      this.#database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
      writeFileSync(this.#pidPath, `${process.pid}\n`, { mode: 0o600 })
    } catch (error) {
      if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY)
        throw isRunning(directory, this.#pidPath)
      throw new Failure(`${directory} cannot be used (${codeOf(error)})`, {
        hints: ['name a directory that can be written: keyhold agent --state-dir=DIRECTORY'],
      })
    }
  }

  release(): void {
    rmSync(this.#pidPath, { force: true })
    this.#database.close()
  }
}

function isRunning(directory: string, pidPath: string): Failure {
  let pid = ''
  try {
    pid = readFileSync(pidPath, 'utf8').trim()
  } catch {
    // It has just begun.
  }
  const isNumber = /^\d+$/.test(pid)
  return new Failure(`an agent runs already with ${directory}${isNumber ? ` (pid ${pid})` : ''}`, {
    hints: [
      isNumber ? `to replace it, end it first: kill ${pid}` : 'to replace it, end it first',
      'another workspace needs a directory of its own: keyhold agent --state-dir=DIRECTORY',
    ],
  })
}
