import { execFileSync } from 'node:child_process'
import { readFileSync, readlinkSync } from 'node:fs'

export interface ProcessRow {
  /** The process group. */
  readonly group: number
  /** The process group that has the terminal of this process, or -1. */
  readonly foregroundGroup: number
  /** When it started, in a unit that only serves to compare; with the number it names one process for good. */
  readonly startedAt: string
}

/** Looks a process up; undefined when it is gone. */
export function findProcess(pid: number): ProcessRow | undefined {
  return process.platform === 'linux' ? fromProc(pid) : fromPs(pid)
}

/** Says whether this process may use its controlling terminal now. */
export function isInForeground(): boolean {
  const row = findProcess(process.pid)
  return row !== undefined && row.foregroundGroup === row.group
}

/** Names the set of process numbers that this process lives in: a container's 7 is not the host's. */
export function processNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid').replace(/\D/g, '') || '0'
  } catch {
    return '0'
  }
}

function fromProc(pid: number): ProcessRow | undefined {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return undefined
  }
  // Fields count from 3 after the name, which may have spaces and brackets in it (proc_pid_stat(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (fields[0] === 'Z') return undefined
  return { group: Number(fields[2]), foregroundGroup: Number(fields[5]), startedAt: fields[19] ?? '0' }
}

function fromPs(pid: number): ProcessRow | undefined {
  try {
    const line = execFileSync('ps', ['-o', 'pgid=,tpgid=,lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, LC_ALL: 'C' },
    })
    const [group, foregroundGroup, ...started] = line.trim().split(/\s+/)
    return {
      group: Number(group),
      foregroundGroup: Number(foregroundGroup),
      startedAt: started.join('').replaceAll(/\W/g, ''),
    }
  } catch {
    return undefined
  }
}
