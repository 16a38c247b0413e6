// An SSH agent (RFC 9987, draft-ietf-sshm-ssh-agent) with one key, whose private half is elsewhere. What a message does not
// have to do with listing that key and signing with it is refused: nothing is added, removed, locked or loaded here.
import type { Socket } from 'node:net'

/** As the agent of OpenSSH has it (authfd.c, MAX_AGENT_REPLY_LEN; ssh-agent.c, AGENT_MAX_LEN). */
const MESSAGE_BYTES_MAX = 256 * 1024
/** A client may wait for a person before it goes on. */
const SILENT_MS = 10 * 60_000
/** Sessions that one connection tells of (ssh-agent.c, AGENT_MAX_SESSION_IDS). */
const BINDINGS_MAX = 16

export const AGENT = {
  failure: 5,
  success: 6,
  requestIdentities: 11,
  identitiesAnswer: 12,
  signRequest: 13,
  signResponse: 14,
  extension: 27,
} as const

export interface SshKey {
  readonly blob: Buffer
  readonly comment: string
}

/** Which host a session is with, and its signature of the session: whoever signs looks at both. */
export interface Binding {
  readonly hostKey: Buffer
  readonly signature: Buffer
}

export interface SshAgentParts {
  /** The key that there is now. */
  key(): SshKey | undefined
  /** @param binding of the session that the data is of. @returns a signature blob. @throws when it is refused. */
  sign(data: Buffer, flags: number, binding?: Binding): Promise<Buffer>
}

/** Reads a line of a public key file. */
export function toSshKey(line: string): SshKey {
  const [, base64 = '', ...comment] = line.split(' ')
  return { blob: Buffer.from(base64, 'base64'), comment: comment.join(' ') }
}

/** Serves one connection: one message after the other, answered in their order. */
export function serveSshAgent(socket: Socket, parts: SshAgentParts): void {
  let buffered = Buffer.alloc(0)
  let isAnswering = false
  let hasEnded = false
  const bindings: Bindings = new Map()
  const next = async () => {
    if (isAnswering) return
    isAnswering = true
    for (let message = take(); message && !socket.destroyed; message = take()) {
      const answer = await answerTo(message, parts, bindings).catch(() => Buffer.of(AGENT.failure))
      socket.write(Buffer.concat([uint32(answer.length), answer]))
    }
    isAnswering = false
    if (hasEnded) socket.end()
  }
  const take = (): Buffer | undefined => {
    if (buffered.length < 4) return undefined
    const length = buffered.readUInt32BE()
    if (length === 0 || length > MESSAGE_BYTES_MAX) {
      socket.destroy()
      return undefined
    }
    if (buffered.length < 4 + length) return undefined
    const message = buffered.subarray(4, 4 + length)
    buffered = buffered.subarray(4 + length)
    return message
  }
  socket.setTimeout(SILENT_MS, () => socket.destroy())
  socket.on('data', (part: Buffer) => {
    buffered = Buffer.concat([buffered, part])
    // What comes while an answer is made waits, up to two messages of it.
    if (buffered.length > 2 * MESSAGE_BYTES_MAX + 8) socket.destroy()
    else void next()
  })
  socket.on('end', () => {
    hasEnded = true
    if (!isAnswering) socket.end()
  })
}

/** By the session, in hex. */
type Bindings = Map<string, Binding>

async function answerTo(message: Buffer, parts: SshAgentParts, bindings: Bindings): Promise<Buffer> {
  const fields = new Fields(message)
  const type = fields.byte()
  if (type === AGENT.requestIdentities) {
    fields.end()
    const key = parts.key()
    const keys = key ? [sshString(key.blob), sshString(Buffer.from(key.comment))] : []
    return Buffer.concat([Buffer.of(AGENT.identitiesAnswer), uint32(key ? 1 : 0), ...keys])
  }
  if (type === AGENT.signRequest) {
    const [blob, data] = [fields.string(), fields.string()]
    const flags = fields.uint32()
    fields.end()
    if (!parts.key()?.blob.equals(blob)) return Buffer.of(AGENT.failure)
    const signature = await parts.sign(data, flags, bindingOf(data, bindings))
    return Buffer.concat([Buffer.of(AGENT.signResponse), sshString(signature)])
  }
  if (type === AGENT.extension && fields.string().toString('latin1') === 'session-bind@openssh.com') {
    // Which host the client has reached (PROTOCOL.agent of OpenSSH, 1). A session is told of once.
    const [hostKey, session, signature] = [fields.string(), fields.string().toString('hex'), fields.string()]
    fields.byte()
    fields.end()
    if (bindings.has(session) || bindings.size >= BINDINGS_MAX) return Buffer.of(AGENT.failure)
    bindings.set(session, { hostKey: Buffer.from(hostKey), signature: Buffer.from(signature) })
    return Buffer.of(AGENT.success)
  }
  return Buffer.of(AGENT.failure)
}

/** A login begins with its session (RFC 4252 §7). */
function bindingOf(data: Buffer, bindings: Bindings): Binding | undefined {
  if (data.length < 4 || data.readUInt32BE() > data.length - 4) return undefined
  return bindings.get(data.subarray(4, 4 + data.readUInt32BE()).toString('hex'))
}

/** Reads a message from its start to its end (RFC 4251 §5). Throws when it is not what the protocol says. */
class Fields {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  take(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) throw new Error('the message ends too early')
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  byte(): number {
    return this.take(1).readUInt8()
  }

  uint32(): number {
    return this.take(4).readUInt32BE()
  }

  string(): Buffer {
    return this.take(this.uint32())
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw new Error('something follows its end')
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

const sshString = (bytes: Buffer) => Buffer.concat([uint32(bytes.length), bytes])
