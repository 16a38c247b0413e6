// A session of somebody who may run code and must not see values: all that the command writes goes through a masker.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { constants } from 'node:os'
import { basename } from 'node:path'
import { createInterface } from 'node:readline'
import { Masker, type MaskingTransform, maskingTransform } from '@keyhold/masking'
import { pumpOutput } from '../run/output.ts'
import { SignalCatcher, sendSignal, signalNumber } from '../run/signals.ts'
import type { Ending, StartedChild } from '../run/started-child.ts'
import { startInTerminal } from '../run/terminal-child.ts'
import type { MaskedValue, SessionAnswer } from './session-answer.ts'
import { TokenBlanker } from './token-forms.ts'

export interface MaskedSession {
  /** Undefined: a login shell. */
  readonly command: string | undefined
  readonly env: NodeJS.ProcessEnv
  readonly hasTerminal: boolean
  /** Over which the agent says which values there are from now on. */
  readonly socket: Socket
  readonly masked: readonly MaskedValue[]
}

/**
 * Programs that cut files into pieces of their own or compress them, which a masker does not see through: of these only the
 * ways in are open. Wherever they are named, such as after `sudo`.
 */
const COPIES_OUT = [
  /\bscp\b[^;&|\n]*\s-\w*f/,
  /\brsync\b.*--server\b.*--sender\b/,
  /\b(?:sftp-server|internal-sftp)\b/,
]

/** Whether a command copies files to the client. */
export function copiesOut(command: string | undefined): boolean {
  return command !== undefined && COPIES_OUT.some((form) => form.test(command))
}

/** Runs what was asked for, and ends as it did. */
export async function runMasked(session: MaskedSession): Promise<never> {
  const mask = new SessionMask(session.masked)
  mask.follow(session.socket)
  const catcher = new SignalCatcher()
  const child = session.hasTerminal ? inTerminal(session, mask) : withPipes(session, mask)
  catcher.follow(child.signals)
  const ending = await child.ended
  // A terminal ends with who leads its session. Without one the output belongs to whoever still writes, as with sshd alone.
  if (session.hasTerminal) for (const pump of child.pumps) pump.childEnded()
  await Promise.all(child.pumps.map(({ done }) => done))
  child.restore(true)
  catcher.stop()
  return endAs(ending)
}

/** The values of the workspace, as many as it has had while the session lasts. */
class SessionMask {
  readonly #values = new Map<string, MaskedValue>()
  readonly #streams: MaskingTransform[] = []

  constructor(values: readonly MaskedValue[]) {
    this.#add(values)
  }

  #add(values: readonly MaskedValue[]): void {
    // Those before stay: a program that runs still has them.
    for (const one of values) this.#values.set(one.value, one)
  }

  #masker(): Masker {
    return new Masker(
      [...this.#values.values()].map(({ name, value }) => ({ name, value: Buffer.from(value, 'base64') })),
    )
  }

  /** A stream for one way out. */
  stream(to: 'terminal' | 'dialogue'): MaskingTransform {
    const tokens = new TokenBlanker()
    const stream = maskingTransform(this.#masker(), { [to]: true, after: (piece) => tokens.blank(piece) })
    this.#streams.push(stream)
    return stream
  }

  /** Takes what the agent says of other values, before any program can have them. */
  follow(socket: Socket): void {
    createInterface(socket).on('line', (line) => {
      this.#add((JSON.parse(line) as SessionAnswer).masked ?? []) // `as`: of the agent that started this.
      const masker = this.#masker()
      for (const stream of this.#streams) stream.use(masker)
      socket.write('\n')
    })
    // With the agent, its tunnels end, and so does this.
    socket.on('error', () => {})
    socket.unref()
    socket.resume()
  }
}

const shellOf = (env: NodeJS.ProcessEnv) => env.SHELL || '/bin/sh'

/** In a terminal of its own, with the modes that the client asked for. */
function inTerminal(
  { command, env: { SSH_TTY: _outer, ...env }, socket: _ }: MaskedSession,
  mask: SessionMask,
) {
  const { stdout, status } = spawnSync('stty', ['-g'], {
    stdio: ['inherit', 'pipe', 'ignore'],
    encoding: 'utf8',
  })
  const args = command === undefined ? ['-l'] : ['-c', command]
  const modes = status === 0 ? stdout.trim() : 'sane'
  const start = {
    command: '/bin/sh',
    args: ['-c', 'stty "$0" 2>/dev/null; exec "$@"', modes, shellOf(env), ...args],
    env: env as Record<string, string>, // `as`: copies of process.env have no gaps.
  }
  return startInTerminal(start, mask.stream('terminal'))
}

/** With sockets, as sshd has them. */
function withPipes({ command, env }: MaskedSession, mask: SessionMask): StartedChild {
  const shell = shellOf(env)
  const child = spawn(shell, command === undefined ? [] : ['-c', command], {
    argv0: command === undefined ? `-${basename(shell)}` : basename(shell),
    env,
    stdio: ['inherit', 'pipe', 'pipe'],
  })
  const ended = once(child, 'exit').then(
    ([exitCode, signal]): Ending => (signal ? { signalNumber: signalNumber(signal) } : { exitCode }),
  )
  const pid = child.pid ?? 0
  return {
    ended,
    pumps: [
      pumpOutput(child.stdout, mask.stream('dialogue'), 1),
      pumpOutput(child.stderr, mask.stream('dialogue'), 2),
    ],
    signals: {
      forward: (signal) => sendSignal(pid, signal),
      kill: () => sendSignal(pid, 'SIGKILL'),
      resize() {},
      suspend() {},
      resume() {},
    },
    restore() {},
  }
}

/** Ends with the exit code of the child, or by the signal that ended it, which sshd tells the client. */
async function endAs(ending: Ending): Promise<never> {
  if ('exitCode' in ending) process.exit(ending.exitCode)
  const name = Object.entries(constants.signals).find(([, number]) => number === ending.signalNumber)?.[0]
  if (name !== undefined) {
    process.removeAllListeners(name)
    process.kill(process.pid, name)
    await new Promise((resolve) => setTimeout(resolve, 1_000))
  }
  process.exit(128 + ending.signalNumber)
}
