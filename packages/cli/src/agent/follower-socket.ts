import { chmodSync, lstatSync, renameSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { basename, dirname, join } from 'node:path'

/** Connections at a time; whoever comes then is turned away at once. */
const CONNECTIONS_MAX = 64

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
      this.#serve(socket)
    })
    server.maxConnections = CONNECTIONS_MAX
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
