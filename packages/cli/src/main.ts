// The keyhold command. Start-up is part of every `keyhold run`, so this file loads nothing that the command at hand does
// not need: help, completion and each command are separate chunks.
import { enableCompileCache } from 'node:module'
import { ExitCode } from './exit-codes.ts'
import { Failure } from './failure.ts'
import { findCommand } from './find-command.ts'
import { parseOptions } from './parse-options.ts'
import { Terminal } from './terminal.ts'
import { version } from './version.ts'

// Node opens its debugger on this signal, on a port that every account of the machine can reach, and the debugger would
// show what is read, typed or delivered. A listener of ours takes the place of that; `run` adds one that forwards.
process.on('SIGUSR1', () => {})

// Reading back what V8 made of the bundle is quicker than compiling it again. Kept beside the bundle: who may write there
// could change the bundle itself. Where nobody may, this does nothing.
if (import.meta.url.endsWith('.js')) enableCompileCache(`${import.meta.dirname}/cache`)

const terminal = new Terminal()
// Output is written synchronously and run's output has been waited for, so nothing is cut off.
process.exit(await main(process.argv.slice(2)).catch(explain))

async function main(line: readonly string[]): Promise<number> {
  const [first] = line
  if (first === '--version' || first === '-V') {
    terminal.print(version)
    return ExitCode.Ok
  }
  if (first === undefined || first === '--help' || first === '-h') {
    const { overview } = await import('./help.ts')
    if (first !== undefined) {
      terminal.print(overview())
      return ExitCode.Ok
    }
    terminal.note('a command is missing')
    terminal.hint('see "keyhold help"')
    return ExitCode.Usage
  }

  const found = await findCommand(line)
  if ('noun' in found) {
    const { nounHelp } = await import('./help.ts')
    const isAsked = line.length > 1
    if (isAsked) terminal.print(nounHelp(found.noun))
    else {
      terminal.note(`"keyhold ${found.noun}" needs one more word`)
      terminal.hint(`see "keyhold ${found.noun} --help"`)
    }
    return isAsked ? ExitCode.Ok : ExitCode.Usage
  }

  const { command } = await found.entry.load()
  const env = process.env
  if (command.passesThrough) {
    return (
      (await command.run({ options: {}, args: line, afterDashes: undefined, env, terminal })) ?? ExitCode.Ok
    )
  }
  const { wantsHelp, ...parsed } = await parseOptions(command, found.rest, env)
  if (wantsHelp) {
    const { commandHelp } = await import('./help.ts')
    // `-h` is the reminder, `--help` the whole text.
    terminal.print(commandHelp(found.path, found.entry.summary, command, !found.rest.includes('--help')))
    return ExitCode.Ok
  }
  return (await command.run({ ...parsed, env, terminal })) ?? ExitCode.Ok
}

/** Turns an error into text on stderr and an exit code: the only place that does. */
function explain(error: unknown): number {
  if (error instanceof Failure) {
    terminal.note(error.message)
    for (const hint of error.hints) terminal.hint(hint)
    return error.exitCode
  }
  // Messages of errors we did not write may quote their input, and the input may be a value. Names, codes and places
  // in the code cannot.
  const name = error instanceof Error ? error.name : typeof error
  const code = error instanceof Error && 'code' in error ? ` ${String(error.code)}` : ''
  terminal.note(`internal error: ${name}${code}`)
  if (process.env.KEYHOLD_DEBUG) {
    const frames = error instanceof Error ? (error.stack?.match(/^ {4}at .*$/gm) ?? []) : []
    for (const frame of frames) terminal.note(frame.trim())
  } else {
    terminal.hint('set KEYHOLD_DEBUG=1 to see where, and please report it')
  }
  return ExitCode.Failed
}
