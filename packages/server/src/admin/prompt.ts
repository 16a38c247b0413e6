import { createInterface } from 'node:readline/promises'

/** Whether somebody is there to be asked. */
export const isTerminal = (): boolean => process.stdin.isTTY === true && process.stderr.isTTY === true

/** Asks for a line on the terminal, on standard error, so that standard output stays data. */
export async function ask(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return await terminal.question(question)
  } finally {
    terminal.close()
  }
}

/** All of standard input, of which no command needs more than a page. @throws Error when it is longer. */
export async function readInput(): Promise<string> {
  let text = ''
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    text += chunk
    if (text.length > 65_536) throw new Error('standard input is too long')
  }
  return text
}
