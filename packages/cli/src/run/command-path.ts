import { accessSync, constants, statSync } from 'node:fs'
import { join } from 'node:path'
import { ExitCode } from '../exit-codes.ts'
import { Failure } from '../failure.ts'

/**
 * Checks that a command can be started, as a shell would look for it.
 *
 * @throws Failure 127 when there is no such command, 126 when it is not executable.
 */
export function checkCommand(command: string, path: string | undefined): void {
  let found: string | undefined
  for (const candidate of candidates(command, path)) {
    try {
      const status = statSync(candidate)
      if (status.isDirectory()) {
        // A directory in PATH with the command's name is passed over; one that was named is the answer.
        if (command.includes('/')) found = candidate
        continue
      }
      accessSync(candidate, constants.X_OK)
      return
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EACCES') found ??= candidate
    }
  }
  if (found !== undefined) {
    throw new Failure(`${found}: not executable`, { exitCode: ExitCode.NotExecutable })
  }
  throw new Failure(`${command || '""'}: command not found`, {
    exitCode: ExitCode.NotFound,
    hints: /\s/.test(command) ? ['the command is run without a shell; do not quote it as a whole'] : [],
  })
}

function candidates(command: string, path: string | undefined): string[] {
  if (command === '') return []
  if (command.includes('/')) return [command]
  return (path ?? '/usr/local/bin:/bin:/usr/bin')
    .split(':')
    .map((directory) => join(directory || '.', command))
}
