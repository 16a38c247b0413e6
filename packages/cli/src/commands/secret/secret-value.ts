import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { limits } from '@keyhold/contract/limits'
import { codeOf, Failure } from '../../failure.ts'
import { writeBytes } from '../../present.ts'
import type { Terminal } from '../../terminal.ts'

// How values come in and go out, the same for secrets of projects and of people.

/** Takes a new value: from a file, from standard input, or from a prompt when that is a terminal. @throws Failure */
export async function readSecretValue(
  terminal: Terminal,
  name: string,
  path: string | undefined,
): Promise<Uint8Array> {
  if (path !== undefined) return fileBytes(path)
  const bytes = await terminal.readValue(`value of ${name}:`)
  if (bytes.length === 0) {
    throw new Failure('there is no value: standard input is empty', {
      hints: ['nothing was changed; did the program before the pipe fail?'],
    })
  }
  if (bytes.at(-1) === 0x0a && !bytes.subarray(0, -1).includes(0x0a)) {
    terminal.note('the value ends with a newline, which is kept')
    terminal.hint("leave it out with printf, or | tr -d '\\n'")
  }
  return bytes
}

function fileBytes(path: string): Uint8Array {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch (error) {
    throw new Failure(`${path} cannot be read (${codeOf(error)})`)
  }
  try {
    if (fstatSync(file).size > limits.fileValueBytes) {
      throw new Failure(`${path} is longer than ${limits.fileValueBytes} bytes`)
    }
    return readFileSync(file)
  } catch (error) {
    if (error instanceof Failure) throw error
    throw new Failure(`${path} cannot be read (${codeOf(error)})`)
  } finally {
    closeSync(file)
  }
}

/** As the API carries values: text where it is text, and base64 where it is not. */
export function wireValue(bytes: Uint8Array): { value: string; encoding: 'utf8' | 'base64' } {
  try {
    const value = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    return { value, encoding: 'utf8' }
  } catch {
    return { value: Buffer.from(bytes).toString('base64'), encoding: 'base64' }
  }
}

/** Prints a value alone, byte for byte; on a terminal only text, with a newline after it. @throws Failure */
export function printSecretValue(terminal: Terminal, bytes: Uint8Array): void {
  if (!terminal.isOutputTerminal) {
    writeBytes(bytes)
    return
  }
  const text = printableText(bytes)
  if (text === undefined) {
    throw new Failure('the value is not text, so it is not written to the terminal', {
      hints: ['send it into a file: keyhold secret get NAME > FILE'],
    })
  }
  terminal.print(text.replace(/\n$/, ''))
}

function printableText(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    // A carriage return is only a line end of another system.
    return /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/.test(text)
      ? undefined
      : text.replaceAll('\r\n', '\n')
  } catch {
    return undefined
  }
}
