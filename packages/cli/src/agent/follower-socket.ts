import { chmodSync, lstatSync, renameSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { basename, dirname, join } from 'node:path'

/** Connections at a time; one more ends the oldest, so that nobody keeps the others out by staying. */
const CONNECTIONS_MAX = 128

/**
 * Listens at a stable path in the directory of the agent, which only its user can enter, as long as that place is ours
 * (secrets.ts settles whose it is), and again when the file has gone.
 */
export class FollowerSocket {
  readonly #path: string
  readonly #serve: (socket: Socket) => void
  #server: Server | undefined
  #ours: string | undefined
  #listened = 0
  /** Oldest first. */
  readonly #open = new Set<Socket>()

  constructor(path: string, serve: (socket: Socket) => void) {
    this.#path = path
    this.#serve = serve
  }

  /** @throws system errors of listening. */
  async hold(isOurs: boolean): Promise<void> {
    const isThere = this.#ours !== undefined && fileAt(this.#path) === this.#ours
    if (isOurs && isThere) return
    if (isThere) rmSync(this.#path, { force: true })
    this.#server?.close()
    this.#server = undefined
    this.#ours = undefined
    if (isOurs) await this.#listen()
  }

  async #listen(): Promise<void> {
    this.#listened += 1
    // Made beside it and then moved: a server that ends removes the name at which it began, whoever is there by then.
    const made = join(dirname(this.#path), `.${process.pid}.${this.#listened}.${basename(this.#path)}`)
    rmSync(made, { force: true })
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      // Who goes away before the end of an answer does not miss it.
      socket.on('error', () => {})
      for (const oldest of this.#open) {
        if (this.#open.size < CONNECTIONS_MAX) break
        this.#open.delete(oldest)
        oldest.destroy()
      }
      this.#open.add(socket)
      socket.on('close', () => this.#open.delete(socket))
      this.#serve(socket)
    })
    this.#server = server
    await new Promise<void>((resolve, reject) => server.on('error', reject).listen(made, resolve))
    // Ended while it began to listen.
    if (this.#server !== server) {
      server.close()
      return
    }
    chmodSync(made, 0o600)
    renameSync(made, this.#path)
    this.#ours = fileAt(this.#path)
  }
}

/** Which file there is: another socket at the same place is another one. */
function fileAt(path: string): string | undefined {
  const status = lstatSync(path, { bigint: true, throwIfNoEntry: false })
  return status && `${status.dev}:${status.ino}`
}
