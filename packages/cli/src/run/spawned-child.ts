// A child in our own session and process group: its stdin is ours, and the terminal, if there is one, is its controlling
// terminal too. What the terminal sends (Ctrl-C, Ctrl-Z, a new size) the kernel gives to both of us.
import { type ChildProcess, type StdioOptions, spawn, spawnSync } from 'node:child_process'
import { closeSync, fstatSync } from 'node:fs'
import { isatty, ReadStream } from 'node:tty'
import type { Masker } from '@keyhold/masking'
import { ExitCode } from '../exit-codes.ts'
import { codeOf, Failure } from '../failure.ts'
import { type Pump, pumpOutput } from './output.ts'
import { pumpPipe } from './pipe-pump.ts'
import type { Pipe } from './pipes.ts'
import { isInForeground } from './process-table.ts'
import { openTerminal, resizeTerminal } from './pseudo-terminal.ts'
import { sendSignal, signalNumber } from './signals.ts'
import type { ChildStart, Ending, StartedChild } from './started-child.ts'

/** After the start of a child, when its masker is made even though nothing was printed yet. */
const MASKER_DELAY_MS = 5

type MaskingTransform = typeof import('@keyhold/masking').maskingTransform

/** Starts a child whose output nobody reads on the way. */
export async function spawnUnmasked(start: ChildStart): Promise<StartedChild> {
  const child = await spawnChild(start, 'inherit')
  return { ended: ending(child), pumps: [], signals: sharedSignals(child), restore() {} }
}

/**
 * Starts a child with a terminal where our output is one, and with pipes where it is not. Standard output and standard error
 * share one way when they lead to the same place, which keeps their order.
 */
export async function spawnMasked(
  start: ChildStart,
  makeMasker: () => Masker,
  maskingTransform: MaskingTransform,
  pipes: [Pipe, Pipe] | undefined,
): Promise<StartedChild> {
  const hasTerminal = isatty(1) || isatty(2)
  const terminal = hasTerminal ? openTerminal(windowSize()) : undefined
  // Line ends are for the outer terminal to make, in the mode in which the child puts it.
  if (terminal) spawnSync('stty', ['-opost'], { stdio: [terminal.slave, 'ignore', 'ignore'] })
  const isOnePlace = !hasTerminal && samePlace(1, 2)
  const outputFor = (fd: 1 | 2): number | 'pipe' => {
    if (terminal && isatty(fd)) return terminal.slave
    if (pipes === undefined) return 'pipe'
    return isOnePlace ? pipes[0].writer : pipes[fd - 1]!.writer // a pair, and fd is 1 or 2
  }
  const child = await spawnChild(start, ['inherit', outputFor(1), outputFor(2)])
  const masker = madeOnce(makeMasker)
  const end = ending(child)
  // Takes about 1 ms for each secret, in which most programs are still starting; some are over before.
  const early = setTimeout(masker, MASKER_DELAY_MS)
  void end.then(() => clearTimeout(early))
  const pumps: Pump[] = []
  const pump = (from: NodeJS.ReadableStream, fd: 1 | 2, isTerminal: boolean) =>
    // Sockets, pipes and terminals are all read by Readable streams.
    pumps.push(pumpOutput(from as ReadStream, maskingTransform(masker(), { terminal: isTerminal }), fd))
  if (terminal) {
    closeSync(terminal.slave)
    pump(new ReadStream(terminal.master), isatty(1) ? 1 : 2, true)
  }
  for (const fd of [1, 2] as const) {
    if (isatty(fd)) continue
    if (child.stdio[fd]) pump(child.stdio[fd] as ReadStream, fd, false)
    else if (pipes && !(fd === 2 && isOnePlace)) pumps.push(pumpPipe(pipes[fd - 1]!.reader, masker, fd))
  }
  for (const pipe of pipes ?? []) pipe.closeWriter()
  const signals = sharedSignals(child, () => terminal && resizeTerminal(terminal.master, windowSize()))
  return { ended: end, pumps, signals, restore() {} }
}

function madeOnce<T>(make: () => T): () => T {
  let made: T | undefined
  return () => (made ??= make())
}

/** The size of the window that our output is in; the usual one when it does not say. */
export function windowSize(): [number, number] {
  const output = isatty(1) ? process.stdout : process.stderr
  const [columns, rows] = output.isTTY ? output.getWindowSize() : [0, 0]
  return columns > 0 && rows > 0 ? [columns, rows] : [80, 24]
}

function sharedSignals(child: ChildProcess, resizeOurs?: () => void): StartedChild['signals'] {
  // Set: the child has been started, or spawnChild would have thrown.
  const pid = child.pid!
  return {
    forward(signal) {
      // In the foreground the kernel has given these to the whole group, the child included. There is no telling a
      // `kill -INT` of this process alone apart, so that one is not forwarded there.
      const isFromKeyboard = signal === 'SIGINT' || signal === 'SIGQUIT'
      if (isFromKeyboard && isInForeground()) return
      sendSignal(pid, signal)
    },
    kill: () => sendSignal(pid, 'SIGKILL'),
    resize() {
      resizeOurs?.()
      // Again when the terminal is ours: the kernel's own came before its size was set.
      if (resizeOurs || !isInForeground()) sendSignal(pid, 'SIGWINCH')
    },
    suspend() {
      if (!isInForeground()) sendSignal(pid, 'SIGTSTP')
      process.kill(process.pid, 'SIGSTOP')
    },
    resume() {
      resizeOurs?.()
      sendSignal(pid, 'SIGCONT')
    },
  }
}

function spawnChild(start: ChildStart, stdio: StdioOptions): Promise<ChildProcess> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => reject(spawnFailure(start.command, error))
    try {
      const child = spawn(start.command, start.args, { env: start.env, stdio })
      child.once('error', fail)
      child.once('spawn', () => resolve(child))
    } catch (error) {
      fail(error)
    }
  })
}

function ending(child: ChildProcess): Promise<Ending> {
  const result = (exitCode: number | null, signal: NodeJS.Signals | null): Ending =>
    signal ? { signalNumber: signalNumber(signal) } : { exitCode: exitCode ?? ExitCode.Failed }
  if (child.exitCode !== null || child.signalCode !== null) {
    return Promise.resolve(result(child.exitCode, child.signalCode))
  }
  return new Promise((resolve) => {
    child.once('exit', (exitCode, signal) => resolve(result(exitCode, signal)))
  })
}

/** The error of spawn has the arguments in it; only its code is used. */
function spawnFailure(command: string, error: unknown): Failure {
  const code = codeOf(error)
  switch (code) {
    case 'ENOENT':
      return new Failure(`${command}: the program that its first line names was not found`, {
        exitCode: ExitCode.NotFound,
      })
    case 'E2BIG':
      return new Failure(`${command}: arguments and environment are too long together`, {
        exitCode: ExitCode.NotExecutable,
        hints: ['store long secrets as files'],
      })
    default:
      return new Failure(`${command}: cannot be started (${code})`, { exitCode: ExitCode.NotExecutable })
  }
}

function samePlace(a: number, b: number): boolean {
  try {
    const one = fstatSync(a)
    const other = fstatSync(b)
    return one.dev === other.dev && one.ino === other.ino
  } catch {
    return false
  }
}
