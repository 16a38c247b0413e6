import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

interface Process {
  readonly pid: number
  readonly parent: number
  readonly session: number
  /** In ticks since the system started: of two processes with one number, it tells them apart. */
  readonly startedAt: string
}

/** How often is looked whether they have ended. */
const LOOK_MS = 50

/**
 * What a server of SSH runs. Each command is in a session of its own (setsid(2)), so a signal to the server does not reach it,
 * and without the server nothing says any more whose it was.
 */
export class VisitProcesses {
  readonly #server: number
  readonly #found = new Map<number, Process>()

  /** @param server pid of it, which leads its session. */
  constructor(server: number) {
    this.#server = server
  }

  /** Finds what descends from the server, and what is in the sessions of that. Knows nothing where there is no /proc. */
  find(): void {
    const all = processes()
    for (const { pid, startedAt } of this.#found.values())
      if (all.get(pid)?.startedAt !== startedAt) this.#found.delete(pid)
    const sessions = new Set([...this.#found.values()].map(({ session }) => session))
    for (let count = -1; count !== this.#found.size; ) {
      count = this.#found.size
      for (const one of all.values()) {
        const isOurs = one.parent === this.#server || this.#found.has(one.parent) || sessions.has(one.session)
        if (!isOurs || one.pid === this.#server) continue
        this.#found.set(one.pid, one)
        // The server's own processes are in its session, and end as it does.
        if (one.session !== this.#server) sessions.add(one.session)
      }
    }
  }

  /** Resolves once none is left, or after `patienceMs`. */
  async ended(patienceMs: number): Promise<void> {
    const until = performance.now() + patienceMs
    for (this.find(); this.#found.size > 0 && performance.now() < until; this.find()) await sleep(LOOK_MS)
  }

  /** Signals those that were found, apart from the processes of the server itself. */
  signal(name: NodeJS.Signals): void {
    for (const { pid, session } of this.#found.values()) {
      if (session === this.#server) continue
      try {
        process.kill(pid, name)
      } catch {
        // It has ended, or is another account's.
      }
    }
  }
}

function processes(): Map<number, Process> {
  const found = new Map<number, Process>()
  for (const name of namesIn('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const text = readFileSync(`/proc/${name}/stat`, 'latin1')
      // proc_pid_stat(5): the name of the program is in parentheses, and may have some.
      const words = text.slice(text.lastIndexOf(')') + 2).split(' ')
      const [, parent = '', , session = ''] = words
      const pid = Number(name)
      found.set(pid, {
        pid,
        parent: Number(parent),
        session: Number(session),
        startedAt: words[19] ?? '',
      })
    } catch {
      // It has ended meanwhile.
    }
  }
  return found
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
