import { ExitCode } from './exit-codes.ts'
import { Failure } from './failure.ts'

/**
 * Turns this process into the server program, argument for argument. The command line does not import the server: its
 * process id, its signals and its memory are the server's own.
 */
export function becomeServer(line: readonly string[], env: NodeJS.ProcessEnv): never {
  let path: string
  try {
    path = new URL(import.meta.resolve('@keyhold/server/main')).pathname
  } catch {
    throw new Failure('the server is not part of this installation', {
      exitCode: ExitCode.Failed,
      hints: ['install the package @keyhold/server'],
    })
  }
  // execve exists on every system but Windows, where there is no server either.
  return process.execve!(
    process.execPath,
    [process.execPath, ...process.execArgv, decodeURIComponent(path), ...line],
    env,
  )
}
