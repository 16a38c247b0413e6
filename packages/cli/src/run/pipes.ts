// Real pipes for the child's output. Node makes sockets where it says "pipe", and a program that opens /dev/stdout or
// /dev/stderr, as web servers' logs do, fails on a socket. A named pipe whose name is removed at once is a pipe.
import { execFile } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'
import { join } from 'node:path'
import { PrivateDirectory } from './private-directory.ts'

export interface Pipe {
  /** For {@link pumpPipe}. */
  readonly reader: number
  /** For the child. Closed here by {@link closeWriter} once the child has it. */
  readonly writer: number
  closeWriter(): void
  /** Closes both ends of one that nobody was given. */
  discard(): void
}

/** Makes two pipes; undefined where the system cannot. */
export async function makePipes(env: NodeJS.ProcessEnv): Promise<[Pipe, Pipe] | undefined> {
  let directory: PrivateDirectory | undefined
  try {
    directory = new PrivateDirectory(env)
    const paths = [join(directory.path, 'out'), join(directory.path, 'err')] as const
    await new Promise<void>((resolve, reject) => {
      execFile('mkfifo', ['-m', '600', ...paths], (error) => (error ? reject(error) : resolve()))
    })
    return [openPipe(paths[0]), openPipe(paths[1])]
  } catch {
    return undefined
  } finally {
    directory?.remove()
  }
}

function openPipe(path: string): Pipe {
  // The reader first, and not waiting; then there is a reader for the writer, whose end has to block.
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const writer = openSync(path, constants.O_WRONLY)
  return {
    reader,
    writer,
    closeWriter: () => closeSync(writer),
    discard() {
      closeSync(reader)
      closeSync(writer)
    },
  }
}
