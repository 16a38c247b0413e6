import { ExitCode } from './exit-codes.ts'
import { Failure } from './failure.ts'

const NODE_FLAGS = [
  // A nursery of 4 MB, and one malloc arena for all threads, keep an idle server 16 MB smaller (126 to 109 MB, measured);
  // the rate of deliveries stays the same.
  '--max-semi-space-size=4',
  // Else Node opens its debugger on SIGUSR1, on a port that every account of the machine can reach, and the debugger
  // shows the root key and every value.
  '--disable-sigusr1',
]

/**
 * Turns this process into the server program, argument for argument. The command line does not import the server: its
 * process id, its signals and its memory are the server's own.
 */
export function becomeServer(line: readonly string[], env: NodeJS.ProcessEnv): never {
  // The bundle of the command line goes with the bundle of the server, sources go with sources (see bin/keyhold).
  const entry = import.meta.url.endsWith('.ts') ? '@keyhold/server/main' : '@keyhold/server/bundle'
  let path: string
  try {
    path = new URL(import.meta.resolve(entry)).pathname
  } catch {
    throw new Failure('the server is not part of this installation', {
      exitCode: ExitCode.Failed,
      hints: ['install the package @keyhold/server'],
    })
  }
  // execve exists on every system but Windows, where there is no server either.
  return process.execve!(
    process.execPath,
    [process.execPath, ...NODE_FLAGS, ...process.execArgv, decodeURIComponent(path), ...line],
    { MALLOC_ARENA_MAX: '1', ...env },
  )
}
