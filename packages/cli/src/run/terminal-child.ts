// A child in a terminal of its own, for when stdin, stdout and stderr are all our terminal. It leads a session, so whatever it
// does to its terminal works: modes, job control, /dev/tty. Our terminal is raw and every key goes through, so Ctrl-C is
// a signal once, made by the inner terminal, and any signal that reaches this process was sent to it alone.
//
// Ctrl-Z: the kernel does not stop the leader of a session, because nobody in the session could continue it. So when the
// inner terminal would have stopped the child itself, we stop it, give our terminal back, and stop. A program that reads
// Ctrl-Z as a key and then stops itself (vim) goes on instead; shells inside do their own job control.
import { spawnSync } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'
import type { Transform } from 'node:stream'
import { ReadStream } from 'node:tty'
import { pumpOutput } from './output.ts'
import { findProcess, isInForeground } from './process-table.ts'
import { forkWithTerminal, resizeTerminal } from './pseudo-terminal.ts'
import { sendSignal } from './signals.ts'
import { windowSize } from './spawned-child.ts'
import type { ChildStart, Ending, StartedChild } from './started-child.ts'

const CTRL_Z = 0x1a
/** How often a job in the background looks whether it has been brought to the front, which no signal tells. */
const FOREGROUND_POLL_MS = 200
/** How long a stop signal may take to stop us before we take it that nobody could continue us. */
const STOP_MS = 50

/** @param masking what the output goes through. */
export function startInTerminal(start: ChildStart, masking: Transform): StartedChild {
  const ours = new RawTerminal()
  const { promise: ended, resolve } = Promise.withResolvers<Ending>()
  const { master, pid, path } = forkWithTerminal(
    start.command,
    start.args,
    start.env,
    windowSize(),
    (exitCode, signal) => resolve(signal ? { signalNumber: signal } : { exitCode }),
  )
  const inner = new ReadStream(master)
  const pump = pumpOutput(inner, masking, 1)
  ours.enter()

  const suspend = () => {
    sendSignal(-pid, 'SIGSTOP')
    ours.leave()
    // The whole job, as the terminal would have done. The listener goes, or the signal would not stop us.
    const listeners = process.listeners('SIGTSTP')
    process.removeAllListeners('SIGTSTP')
    process.kill(0, 'SIGTSTP')
    setTimeout(() => {
      for (const listener of listeners) process.on('SIGTSTP', listener)
      resume()
    }, STOP_MS)
  }
  let poll: NodeJS.Timeout | undefined
  const resume = () => {
    clearInterval(poll)
    if (isInForeground()) {
      ours.enter()
    } else {
      poll = setInterval(() => isInForeground() && resume(), FOREGROUND_POLL_MS)
    }
    resizeTerminal(master, windowSize())
    sendSignal(-pid, 'SIGCONT')
  }

  ours.onKeys((keys) => {
    if (!inner.destroyed && !inner.write(keys)) {
      ours.pause()
      inner.once('drain', () => ours.resume())
    }
    if (keys.includes(CTRL_Z) && findProcess(pid)?.foregroundGroup === pid && stopsOnCtrlZ(path)) suspend()
  })
  return {
    ended,
    pumps: [pump],
    signals: {
      forward: (signal) => sendSignal(pid, signal),
      kill: () => sendSignal(-pid, 'SIGKILL'),
      resize: () => resizeTerminal(master, windowSize()),
      suspend,
      resume,
    },
    restore(isOver) {
      clearInterval(poll)
      ours.leave()
      ours.detach()
      if (isOver) ours.close()
    },
  }
}

/** Our terminal, put into raw mode and always given back as it was. */
class RawTerminal {
  readonly #input = process.stdin as ReadStream
  #modes: string | undefined
  #isRaw = false
  #onKeys: (keys: Buffer) => void = () => {}
  readonly #leaveAtExit = () => this.leave()
  // The terminal has gone; SIGHUP follows.
  readonly #ignore = () => {}

  constructor() {
    process.once('exit', this.#leaveAtExit)
    this.#input.on('error', this.#ignore)
  }

  onKeys(listener: (keys: Buffer) => void): void {
    this.#onKeys = listener
    this.#input.on('data', listener)
    if (!this.#isRaw) this.#input.pause()
  }

  enter(): void {
    if (this.#isRaw) return
    this.#isRaw = true
    // Node's own raw mode leaves the translation of line ends on, and full-screen programs move the cursor with bare ones.
    this.#modes = stty(['-g'])?.trim()
    if (this.#modes === undefined || stty(['raw', '-echo']) === undefined) this.#input.setRawMode(true)
    this.#input.resume()
  }

  leave(): void {
    if (!this.#isRaw) return
    this.#isRaw = false
    this.#input.pause()
    if (this.#modes === undefined || stty([this.#modes]) === undefined) this.#input.setRawMode(false)
  }

  pause(): void {
    this.#input.pause()
  }

  resume(): void {
    if (this.#isRaw) this.#input.resume()
  }

  /** Leaves the keys to whoever comes next. */
  detach(): void {
    this.#input.off('data', this.#onKeys)
    this.#input.off('error', this.#ignore)
    process.off('exit', this.#leaveAtExit)
  }

  close(): void {
    this.#input.on('error', this.#ignore)
    this.#input.destroy()
  }
}

function stopsOnCtrlZ(path: string): boolean {
  let fd: number | undefined
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_NOCTTY)
    const modes = stty(['-a'], fd) ?? ''
    return /(^|\s)isig\b/.test(modes) && /susp = \^Z/.test(modes)
  } catch {
    return false
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

/** @returns what stty printed; undefined when it failed. */
function stty(args: string[], fd: number | 'inherit' = 'inherit'): string | undefined {
  const { status, stdout } = spawnSync('stty', args, { stdio: [fd, 'pipe', 'ignore'], encoding: 'utf8' })
  return status === 0 ? stdout : undefined
}
