// Rules for the terminal.
//
//   stdout     data, and nothing else. What the server supplied is printed with its control characters made visible when
//              stdout is a terminal, and byte for byte when it is not.
//   stderr     everything said to the person, as `keyhold: text` and `hint: text`: lower case, no full stop.
//   /dev/tty   questions. They are asked there, so that stdin and stdout can be pipes, and are erased when answered.
//   stdin      a value, verbatim, with its final newline if it has one. Never both a value and an answer.
//
// No secret is taken from an argument, and none is echoed.
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { isatty } from 'node:tty'
import { ExitCode } from './exit-codes.ts'
import { codeOf, Failure } from './failure.ts'

const VALUE_BYTES_MAX = 1024 * 1024

export class Terminal {
  get isOutputTerminal(): boolean {
    return isatty(1)
  }

  /** Prints one line of data. */
  print(text: string): void {
    writeAll(1, `${this.isOutputTerminal ? visible(text) : text}\n`)
  }

  /** Prints a value as pretty JSON. JSON escapes the C0 controls itself; the others are escaped here. */
  printJson(value: unknown): void {
    this.print(JSON.stringify(value, undefined, 2))
  }

  /** Prints rows with aligned columns; with tabs between them when stdout is not a terminal. */
  printTable(columns: readonly string[], rows: readonly (readonly string[])[]): void {
    if (!this.isOutputTerminal) {
      for (const row of rows) this.print(row.map((cell) => cell.replaceAll(/[\t\n]/g, ' ')).join('\t'))
      return
    }
    const lines = [columns, ...rows].map((row) => row.map((cell) => visible(cell.replaceAll('\n', ' '))))
    const widths = columns.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
    for (const line of lines) {
      this.print(
        line
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd(),
      )
    }
  }

  /** Says something to the person, on stderr. */
  note(text: string): void {
    // A command that is running may have made its terminal raw, where LF alone goes down and not back.
    writeAll(2, `keyhold: ${visible(text)}${isatty(2) ? '\r' : ''}\n`)
  }

  hint(text: string): void {
    writeAll(2, `hint: ${visible(text)}\n`)
  }

  /** Reads standard input to its end, verbatim. */
  readInput(bytesMax: number = VALUE_BYTES_MAX): Uint8Array {
    const chunks: Uint8Array[] = []
    let length = 0
    for (;;) {
      const chunk = new Uint8Array(65536)
      let count: number
      try {
        count = readSync(0, chunk)
      } catch (error) {
        if (codeOf(error) === 'EAGAIN') {
          // A parent left its end non-blocking. Wait a little; there is nothing else to do until the value is there.
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
          continue
        }
        if (codeOf(error) === 'EOF') break
        throw new Failure(`standard input cannot be read (${codeOf(error)})`)
      }
      if (count === 0) break
      length += count
      if (length > bytesMax) throw new Failure(`standard input is longer than ${bytesMax} bytes`)
      chunks.push(chunk.subarray(0, count))
    }
    return Buffer.concat(chunks)
  }

  /** Reads a new value: from standard input when that is not a terminal, else from a prompt without echo. */
  async readValue(question: string): Promise<Uint8Array> {
    return isatty(0) ? Buffer.from(await this.askSecret(question)) : this.readInput()
  }

  /** Asks on the terminal and reads a line, with echo. @param option that answers it as well. */
  ask(question: string, option?: string): string {
    const tty = openTerminal(question, option)
    try {
      writeAll(tty, `${visible(question)} `)
      return readLine(tty)
    } finally {
      closeSync(tty)
    }
  }

  /** Asks for yes or no; anything but `y` or `yes` is no. */
  confirm(question: string, option?: string): boolean {
    return /^y(es)?$/i.test(this.ask(`${question} [y/N]`, option).trim())
  }

  /** Asks on the terminal without echo, and erases the question afterwards. */
  async askSecret(question: string): Promise<string> {
    const fd = openTerminal(question)
    const { ReadStream } = await import('node:tty')
    const input = new ReadStream(fd)
    input.setRawMode(true)
    writeAll(fd, `${visible(question)} `)
    try {
      return await readUnseenLine(input)
    } finally {
      input.setRawMode(false)
      writeAll(fd, '\r\x1b[K')
      input.destroy()
    }
  }
}

/**
 * Makes control characters visible, so that text from elsewhere cannot move the cursor, recolour, retitle or reverse what
 * is on the terminal. Newline and tab stay.
 */
export function visible(text: string): string {
  return text.replaceAll(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => {
      const code = character.charCodeAt(0)
      return code < 0x100
        ? `\\x${code.toString(16).padStart(2, '0')}`
        : `\\u${code.toString(16).padStart(4, '0')}`
    },
  )
}

function readUnseenLine(input: NodeJS.ReadStream): Promise<string> {
  return new Promise((resolve, reject) => {
    let line = ''
    input.setEncoding('utf8')
    input.on('error', () => reject(new Failure('the terminal went away')))
    input.on('end', () => reject(new Failure('the terminal went away')))
    input.on('data', (text: string) => {
      for (const character of text.replaceAll(/\x1b\[20[01]~/g, '')) {
        if (character === '\r' || character === '\n') return resolve(line)
        if (character === '\x03') return reject(new Failure('interrupted', { exitCode: 130 }))
        if (character === '\x04') {
          if (line === '') return reject(new Failure('nothing was entered'))
          return resolve(line)
        }
        if (character === '\x7f' || character === '\b') line = [...line].slice(0, -1).join('')
        else if (character === '\x15') line = ''
        else line += character
      }
    })
  })
}

function openTerminal(question: string, option?: string): number {
  try {
    return openSync('/dev/tty', 'r+')
  } catch {
    throw new Failure(`there is no terminal to ask "${question}" on`, {
      exitCode: ExitCode.Usage,
      hints: [
        option === undefined
          ? 'give the answer on standard input or as an option; see --help'
          : `give ${option}`,
      ],
    })
  }
}

function readLine(fd: number): string {
  const bytes = Buffer.alloc(4096)
  const count = readSync(fd, bytes)
  return bytes.toString('utf8', 0, count).replace(/\r?\n$/, '')
}

function writeAll(fd: number, text: string): void {
  let rest = Buffer.from(text)
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest))
    } catch (error) {
      if (codeOf(error) === 'EAGAIN') {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
        continue
      }
      // The reader has gone, as with `| head`. There is nobody left to tell.
      if (codeOf(error) === 'EPIPE' || codeOf(error) === 'EIO') return
      throw error
    }
  }
}
