import { createRequire } from 'node:module'

/** The compiled part of node-pty. Its JavaScript part has no back-pressure and changes the environment. */
interface Native {
  fork(
    file: string,
    args: string[],
    env: string[],
    directory: string,
    columns: number,
    rows: number,
    uid: number,
    gid: number,
    isUtf8: boolean,
    helperPath: string,
    onExit: (exitCode: number, signal: number) => void,
  ): { fd: number; pid: number; pty: string }
  open(columns: number, rows: number): { master: number; slave: number; pty: string }
  resize(fd: number, columns: number, rows: number): void
}

export type Size = readonly [columns: number, rows: number]

let native: Native | undefined

function load(): Native {
  const require = createRequire(import.meta.url)
  native ??= require('@lydell/node-pty/requireBinary.js').requireBinary('pty.node') as Native
  return native
}

/** Opens a terminal that is nobody's controlling terminal. */
export function openTerminal(size: Size): { master: number; slave: number } {
  return load().open(...size)
}

/** Starts a process as the leader of a session of its own, with a new terminal as its controlling terminal. */
export function forkWithTerminal(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  size: Size,
  onExit: (exitCode: number, signal: number) => void,
): { master: number; pid: number; path: string } {
  const require = createRequire(import.meta.url)
  // Used on macOS only, where a helper sets the terminal up.
  const helper =
    process.platform === 'darwin'
      ? require.resolve(`@lydell/node-pty-darwin-${process.arch}/spawn-helper`)
      : ''
  const entries = Object.entries(env).map(([name, value]) => `${name}=${value}`)
  const started = load().fork(
    command,
    [...args],
    entries,
    process.cwd(),
    ...size,
    -1,
    -1,
    true,
    helper,
    onExit,
  )
  return { master: started.fd, pid: started.pid, path: started.pty }
}

export function resizeTerminal(master: number, size: Size): void {
  try {
    load().resize(master, ...size)
  } catch {
    // The child has closed it.
  }
}
