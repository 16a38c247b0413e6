import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { say } from './output.ts'

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

/** Asks for a line on the terminal without showing it. @throws Error when it is broken off. */
export async function askUnseen(question: string): Promise<string> {
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() })
  const terminal = createInterface({ input: process.stdin, output: unseen, terminal: true, historySize: 0 })
  // After the echo is off: whoever sees the question may type at once.
  say(question)
  try {
    return await new Promise((resolve, reject) => {
      terminal.once('SIGINT', () => terminal.close())
      terminal.once('close', () => reject(new Error('nothing was typed')))
      terminal.question('').then(resolve, reject)
    })
  } finally {
    terminal.close()
    say('\n')
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
