import { type IPty, spawn } from '@lydell/node-pty'

/** How long a command may take. Long, because a machine may be busy; a test that passes never waits for it. */
const DEADLINE_MS = 60_000

/** The prompt, which shows how the last command ended. */
const PROMPT = /\[\[(\d+)\]\] $/

/** What erases the line up to there: a question that was answered, npm's sign of life. */
const ERASED = /[^\n]*(\r\x1b\[K|\x1b\[1G\x1b\[0K)/g

/** What a person types when a question appears. */
export interface Answer {
  readonly question: RegExp
  readonly text: string
}

/** A terminal with a shell in it, and somebody who types. */
export class Terminal {
  /** All that was ever printed, erased or not. */
  everything = ''
  readonly #pty: IPty
  #output = ''
  #changed = Promise.withResolvers<void>()

  constructor(directory: string, env: Record<string, string>) {
    this.#pty = spawn('bash', ['--norc', '--noprofile', '--noediting', '-i'], {
      cwd: directory,
      env: { ...env, PS1: '[[$?]] ', TERM: 'xterm-256color' },
      // Wide enough that nothing is wrapped.
      cols: 400,
      rows: 50,
    })
    this.#pty.onData((text) => {
      this.everything += text
      // All of it anew: the two may come apart.
      this.#output = (this.#output + text).replaceAll('\r\n', '\n')
      this.#changed.resolve()
      this.#changed = Promise.withResolvers()
    })
  }

  /** Types a command and answers its questions. @returns what is left on the screen, and how it ended. */
  async run(command: string, answers: readonly Answer[] = []): Promise<{ output: string; code: number }> {
    await this.sees(PROMPT)
    this.start(command)
    let from = 0
    for (const { question, text } of answers) {
      const { index, 0: asked } = await this.sees(question, from)
      from = index + asked.length
      this.#pty.write(`${text}\r`)
    }
    const { index, 1: code } = await this.sees(PROMPT, from)
    // The first line is what was typed.
    const output = this.#output.slice(this.#output.indexOf('\n') + 1, index).replaceAll(ERASED, '')
    return { output, code: Number(code) }
  }

  /** Types a command that goes on. */
  start(command: string): void {
    this.#output = ''
    this.#pty.write(`${command}\r`)
  }

  /** Types into what runs. */
  type(text: string): void {
    this.#pty.write(text)
  }

  /** Waits until what the running command printed matches, from `from` on. */
  async sees(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    const deadline = AbortSignal.timeout(DEADLINE_MS)
    const late = new Promise<never>((_, reject) => {
      deadline.addEventListener('abort', () =>
        reject(new Error(`not seen: ${pattern} in\n${this.#output.slice(from)}`)),
      )
    })
    // Nobody may be waiting for it any more.
    late.catch(() => {})
    for (;;) {
      const found = pattern.exec(this.#output.slice(from))
      if (found) {
        found.index += from
        return found
      }
      await Promise.race([this.#changed.promise, late])
    }
  }

  /** Presses Ctrl-C, and waits for the prompt. */
  async interrupt(): Promise<void> {
    this.#output = ''
    this.#pty.write('\x03')
    await this.sees(PROMPT)
  }

  close(): void {
    this.#pty.kill('SIGHUP')
  }
}
