import { chmodSync, lstatSync, rmSync, statSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { Secret } from '@keyhold/contract/secret'
import { SealedRootKeyError, WrongPassphraseError } from '../vault/sealed-root-key.ts'

/*
 * How a passphrase comes to a server that waits for it: a socket in the data directory that only the server's own user may
 * open, so that it crosses no network and stands in no argument. A client sends it and ends its side; the answer is one line
 * of JSON, {@link Answer}.
 */

const SOCKET = 'unseal.sock'
/** Of a path that sockets may have: sun_path of unix(7) is 108 bytes with its NUL, and 104 on macOS. */
const PATH_BYTES_MAX = 103
const PASSPHRASE_BYTES_MAX = 4_096
const CONNECTIONS_MAX = 16
/** A client that sends nothing for so long is sent away. */
const SILENCE_MS = 10_000

type Answer = { readonly fingerprint: string } | { readonly problem: string }

/** A server that waits to be unsealed. */
export interface UnsealSocket {
  /** The passphrase that opened the root key. */
  readonly passphrase: Promise<Secret<string>>
  close(): void
}

/**
 * Waits for the passphrase. Attempts are tried one at a time, each as slow as the key derivation.
 * @param open opens the root key and gives its fingerprint. @throws WrongPassphraseError for a wrong one.
 * @throws Error when the socket cannot be made, or another server waits there.
 */
export async function listenForPassphrase(
  dataDir: string,
  open: (passphrase: Secret<string>) => Promise<string>,
): Promise<UnsealSocket> {
  const path = join(dataDir, SOCKET)
  if (Buffer.byteLength(path) > PATH_BYTES_MAX)
    throw new Error(
      `${dataDir} is too long for a socket in it: set KEYHOLD_ROOT_KEY_PASSPHRASE_FILE, or use a shorter KEYHOLD_DATA_DIR`,
    )
  await removeStale(path)
  const { promise: passphrase, resolve } = Promise.withResolvers<Secret<string>>()
  const clients = new Set<Socket>()
  let isOpen = false
  let turn: Promise<unknown> = Promise.resolve()

  const attempt = async (given: Secret<string>): Promise<Answer> => {
    if (isOpen) return { problem: 'the server is unsealed already' }
    try {
      const fingerprint = await open(given)
      isOpen = true
      resolve(given)
      return { fingerprint }
    } catch (error) {
      const isTold = error instanceof WrongPassphraseError || error instanceof SealedRootKeyError
      return {
        problem: isTold ? error.message : 'the root key file cannot be read: the log of the server says why',
      }
    }
  }

  const server = createServer({ allowHalfOpen: true }, async (client) => {
    clients.add(client)
    client.on('error', () => client.destroy()).on('close', () => clients.delete(client))
    client.setTimeout(SILENCE_MS, () => client.destroy())
    const given = await readAll(client)
    if (given === undefined) return client.destroy()
    client.setTimeout(0)
    const answer = turn.then(() => attempt(given))
    turn = answer
    client.end(`${JSON.stringify(await answer)}\n`)
  })
  server.maxConnections = CONNECTIONS_MAX
  await listen(server, path)
  return {
    passphrase,
    close: () => {
      // What was answered last is on its way: those who sent nothing are not waited for.
      for (const client of clients) if (!client.writableEnded) client.destroy()
      server.close()
    },
  }
}

/** Sends a passphrase to the server that waits in a data directory. @returns fingerprint of the root key. @throws Error that says what is wrong. */
export async function sendPassphrase(dataDir: string, passphrase: Secret<string>): Promise<string> {
  const path = join(dataDir, SOCKET)
  assertOwner(path, dataDir)
  const client = connect(path)
  const refused = new Promise<never>((_resolve, reject) => {
    client.on('error', (error) => reject(new Error(nobodyWaits(dataDir), { cause: error })))
  })
  const answered = readAll(client)
  client.end(passphrase.reveal())
  const line = (await Promise.race([answered, refused]))?.reveal() ?? ''
  if (line === '') throw new Error('the server ended before it answered: its log says why')
  const answer = JSON.parse(line) as Answer // `as`: what the server above sends.
  if ('problem' in answer) throw new Error(answer.problem)
  return answer.fingerprint
}

const nobodyWaits = (dataDir: string) =>
  `no sealed server waits in ${dataDir}: run this where the server runs, with its variables`

/** A passphrase goes to nobody but the user that the server runs as. @throws Error */
function assertOwner(path: string, dataDir: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (!found) throw new Error(nobodyWaits(dataDir))
  const self = process.getuid?.()
  const expected = self === 0 ? statSync(dataDir).uid : self
  if (!found.isSocket() || (found.uid !== expected && found.uid !== self) || (found.mode & 0o077) !== 0)
    throw new Error(`${path} is not a socket that only its owner may use: nothing was sent`)
}

/** Makes the socket so that nobody but its owner may ever open it, also not in the moment before its mode is set. */
async function listen(server: Server, path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('listening', resolve).once('error', reject)
  const mask = process.umask(0o177)
  try {
    // Binds before it returns.
    server.listen(path)
  } finally {
    process.umask(mask)
  }
  await promise
  chmodSync(path, 0o600)
}

/** Removes a socket that a server left which was killed. @throws Error when somebody listens there. */
async function removeStale(path: string): Promise<void> {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket()) return
  const client = connect(path)
  const isAlive = await new Promise<boolean>((resolve) => {
    client.once('connect', () => resolve(true)).once('error', () => resolve(false))
  })
  client.destroy()
  if (isAlive) throw new Error(`another sealed server waits at ${path}`)
  rmSync(path, { force: true })
}

/** Everything that the other side sends until it ends. @returns undefined when that is too much, or it went away. */
async function readAll(socket: Socket): Promise<Secret<string> | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  const { promise, resolve } = Promise.withResolvers<Secret<string> | undefined>()
  socket.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > PASSPHRASE_BYTES_MAX) resolve(undefined)
    else chunks.push(chunk)
  })
  socket.on('end', () => resolve(new Secret(Buffer.concat(chunks).toString('utf8'))))
  socket.on('close', () => resolve(undefined))
  return promise
}
