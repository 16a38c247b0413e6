// Runs a command with secrets in its environment and takes them out of its output.
import { constants } from 'node:os'
import { isatty } from 'node:tty'
import { isMasked, Masker, maskingTransform } from '@keyhold/masking'
import type { DeliveredSecret } from './delivery.ts'
import { childEnvironment } from './environment.ts'
import { makePipes, type Pipe } from './pipes.ts'
import { PrivateDirectory, sweepLeftovers } from './private-directory.ts'
import { isInForeground } from './process-table.ts'
import type { Replacement } from './replacement.ts'
import { SignalCatcher } from './signals.ts'
import { spawnMasked, spawnUnmasked } from './spawned-child.ts'
import type { ChildStart, Ending, StartedChild } from './started-child.ts'
import type { SendUses } from './use-sender.ts'

export type Mask = 'blank' | 'label' | 'none'

export interface RunRequest {
  readonly command: string
  readonly args: readonly string[]
  readonly mask: Mask
  /** Names that would be refused, and are wanted all the same. */
  readonly allowedNames: readonly string[]
  /** What the child inherits. */
  readonly env: NodeJS.ProcessEnv
  /** Says something to the person, on stderr. */
  readonly note: (text: string) => void
  /** Reports where the child reads its secrets. */
  readonly sendUses?: SendUses
}

/** One run. Made while the secrets are on their way, because getting ready takes about as long. */
export class Run {
  readonly #request: RunRequest
  readonly #pipes: Promise<[Pipe, Pipe] | undefined> | undefined
  readonly #recording: Promise<typeof import('./use-recorder.ts')> | undefined

  constructor(request: RunRequest) {
    this.#request = request
    this.#recording = request.sendUses && import('./use-recorder.ts')
    if (request.mask === 'none') return
    const needsPipes = !(isatty(1) && isatty(2))
    this.#pipes = needsPipes ? makePipes(request.env) : undefined
  }

  /**
   * Starts the child and waits for its end.
   * @param referenced values to take out of the output as well. @returns the code to exit with.
   */
  async withSecrets(
    secrets: readonly DeliveredSecret[],
    referenced: readonly DeliveredSecret[] = [],
  ): Promise<number> {
    return exitAs(await this.#untilEnd(secrets, referenced))
  }

  /** The same, for a child that others may follow. @returns undefined when it made room for the next one. */
  async untilReplaced(
    secrets: readonly DeliveredSecret[],
    referenced: readonly DeliveredSecret[],
    replacement: Replacement,
  ): Promise<number | undefined> {
    const ending = await this.#untilEnd(secrets, referenced, replacement)
    return replacement.isWanted && !isInterrupted(ending) ? undefined : exitAs(ending)
  }

  async #untilEnd(
    secrets: readonly DeliveredSecret[],
    referenced: readonly DeliveredSecret[],
    replacement?: Replacement,
  ): Promise<Ending> {
    const { command, args, allowedNames, env, note, sendUses } = this.#request
    const catcher = new SignalCatcher()
    let directory: PrivateDirectory | undefined
    try {
      const place = () => (directory ??= new PrivateDirectory(env))
      const made = childEnvironment(env, secrets, allowedNames, place)
      for (const name of made.keysWithoutPath) {
        note(`${name}_FILE is a secret itself, so the path of the key ${name} is not given`)
      }
      const { UseRecorder } = (secrets.length > 0 && (await this.#recording)) || {}
      const recorder = UseRecorder?.start(
        { secrets, referenced, command, directory: place().path, send: sendUses! }, // Set: it is being recorded.
        made.env,
      )
      const child = await this.#start({ command, args, env: made.env }, [...secrets, ...referenced])
      catcher.follow(child.signals)
      replacement?.follow(child.signals)
      sweepLeftovers(env)
      const ending = await child.ended
      replacement?.ended()
      directory?.remove()
      for (const pump of child.pumps) pump.childEnded()
      await Promise.all(child.pumps.map((pump) => pump.done))
      child.restore(!replacement?.isWanted)
      const reported = recorder?.finish()
      // The next command does not wait for what is said of this one.
      if (!replacement?.isWanted) await reported
      catcher.stop()
      return ending
    } finally {
      replacement?.ended()
      directory?.remove()
      catcher.stop()
    }
  }

  async #start(start: ChildStart, secrets: readonly DeliveredSecret[]): Promise<StartedChild> {
    const { mask, note } = this.#request
    if (mask === 'none') return spawnUnmasked(start)
    const pipes = await this.#pipes
    const unmasked = secrets.filter(({ value }) => !isMasked(value))
    if (unmasked.length > 0) {
      const names = unmasked.map(({ name }) => name).join(', ')
      note(`not masked in the output, because too short or an ordinary word: ${names}`)
    }
    // Nothing to take out: nothing to put in between.
    if (unmasked.length === secrets.length) {
      for (const pipe of pipes ?? []) pipe.discard()
      return spawnUnmasked(start)
    }
    const makeMasker = () => new Masker(secrets, { replacement: mask })
    const isInteractive = isatty(0) && isatty(1) && isatty(2) && isInForeground()
    if (isInteractive) {
      const { startInTerminal } = await import('./terminal-child.ts')
      return startInTerminal(start, maskingTransform(makeMasker(), { terminal: true }))
    }
    return spawnMasked(start, makeMasker, maskingTransform, pipes)
  }
}

/** A replacement ends nothing with these: they are somebody's who wants it to end. */
function isInterrupted(ending: Ending): boolean {
  const { SIGHUP, SIGINT, SIGQUIT } = constants.signals
  return 'signalNumber' in ending && [SIGHUP, SIGINT, SIGQUIT].includes(ending.signalNumber)
}

/**
 * Turns the child's ending into ours: its exit code, or 128 and the signal's number as a shell has it.
 *
 * Ctrl-C on a terminal is passed on as a death by SIGINT, because that is how the calling shell knows to leave its loop;
 * its `$?` is 130 all the same.
 */
async function exitAs(ending: Ending): Promise<number> {
  if ('exitCode' in ending) return ending.exitCode
  const SIGINT = 2
  if (ending.signalNumber === SIGINT && isatty(0) && isInForeground()) {
    process.kill(process.pid, 'SIGINT')
    // As process 1 of a container the signal does nothing.
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return 128 + ending.signalNumber
}
