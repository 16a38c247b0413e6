// What programs that git calls ask the agent for: one request and one answer to a connection, each as JSON. Git starts such a
// program for every use, so this loads little.
import { connect, type Socket } from 'node:net'
import { dirname } from 'node:path'
import type { UseReport } from '@keyhold/contract/api/uses'
import { codeOf, Failure } from '../failure.ts'
import { assertPrivate } from '../run/agent-socket.ts'
import type { AgentStatus } from './agent-status.ts'
import { identityPlace } from './identity-variables.ts'

/** What can be asked for, and what is answered. */
export interface AgentRequests {
  /** Undefined: the host is none that is connected. */
  readonly 'git-credential': {
    readonly request: { readonly host: string }
    readonly answer: { readonly credential?: GitCredential }
  }
  /** With which key commits are signed; none, when the owner has none. */
  readonly 'git-signing': {
    readonly request: Record<string, never>
    readonly answer: { readonly key?: { readonly fingerprint: string; readonly email: string } }
  }
  /** How the agent is. */
  readonly status: {
    readonly request: Record<string, never>
    readonly answer: AgentStatus
  }
  /** An armored signature. */
  readonly 'git-sign': {
    readonly request: { readonly fingerprint: string; readonly data: string }
    readonly answer: { readonly signature: string }
  }
  /** The host did not accept this one. */
  readonly 'git-credential-rejected': {
    readonly request: { readonly host: string; readonly password: string }
    readonly answer: Record<string, never>
  }
  /** Where a program read its secrets; they are told of as those of whoever's session it is, or the workspace's. */
  readonly 'report-uses': {
    readonly request: Pick<UseReport, 'run' | 'uses'>
    readonly answer: { readonly remaining: number }
  }
}

export interface GitCredential {
  readonly username: string
  readonly password: string
  /** In ms since 1970; null: it does not end by itself. */
  readonly expiresAtMs: number | null
}

export type Handlers = {
  readonly [Name in keyof AgentRequests]?: (
    request: AgentRequests[Name]['request'],
  ) => Promise<AgentRequests[Name]['answer']>
}

/** Of a request. The largest is a commit that is to be signed. */
const REQUEST_BYTES_MAX = 8 * 1024 * 1024
/** Longer than the server is waited for. */
const SILENT_MS = 60_000

type Answer = { readonly answer: unknown } | { readonly failure: string; readonly hints: readonly string[] }

/** In a session by SSH: where the agent is told of uses, so that it knows whose they are. */
export const VISIT_VARIABLE = 'KEYHOLD_VISIT_SOCKET'

/** Asks the agent of this workspace. @param path of its socket. @throws Failure */
export async function askAgent<Name extends keyof AgentRequests>(
  env: NodeJS.ProcessEnv,
  name: Name,
  request: AgentRequests[Name]['request'],
  path = identityPlace(env).requests,
): Promise<AgentRequests[Name]['answer']> {
  const answer = await exchange(path, JSON.stringify({ name, request }))
  if ('failure' in answer) throw new Failure(answer.failure, { hints: answer.hints })
  return answer.answer as AgentRequests[Name]['answer'] // `as`: the agent answers what it was asked.
}

function exchange(path: string, text: string): Promise<Answer> {
  const noAgent = (code: string) =>
    new Failure(`the agent of this workspace does not answer (${code})`, {
      hints: ['start it: keyhold agent', 'this works in a workspace only'],
    })
  return new Promise((resolve, reject) => {
    try {
      assertPrivate(dirname(path))
    } catch (error) {
      return reject(error instanceof Failure ? error : noAgent(codeOf(error)))
    }
    const parts: Buffer[] = []
    connect(path)
      .on('data', (part) => parts.push(Buffer.from(part as Buffer))) // `as`: no encoding is set.
      .on('error', (error) => reject(noAgent(codeOf(error))))
      .on('end', () => {
        try {
          resolve(JSON.parse(Buffer.concat(parts).toString('utf8')) as Answer) // `as`: of the agent of this user.
        } catch {
          // The cause is dropped: a JSON error quotes its input.
          reject(new Failure('the agent of this workspace ended amid its answer'))
        }
      })
      .end(text)
  })
}

/** Answers one request. */
export function serveRequest(socket: Socket, handlers: Handlers): void {
  const parts: Buffer[] = []
  let bytes = 0
  socket.setTimeout(SILENT_MS, () => socket.destroy())
  socket.on('data', (part: Buffer) => {
    bytes += part.length
    if (bytes > REQUEST_BYTES_MAX) socket.destroy()
    else parts.push(part)
  })
  socket.on('end', () => {
    void answerTo(Buffer.concat(parts), handlers).then((answer) => socket.end(JSON.stringify(answer)))
  })
}

async function answerTo(bytes: Buffer, handlers: Handlers): Promise<Answer> {
  try {
    const { name, request } = JSON.parse(bytes.toString('utf8'))
    // `as`: each handler takes what its own name is asked with, and our own client is who asks.
    const handle = Object.hasOwn(handlers, name)
      ? (handlers[name as keyof Handlers] as (request: unknown) => Promise<unknown>)
      : undefined
    if (handle === undefined)
      return { failure: 'the agent does not know this request', hints: ['restart it: keyhold agent'] }
    return { answer: await handle(request) }
  } catch (error) {
    if (error instanceof Failure) return { failure: error.message, hints: error.hints }
    // Its text may quote what was asked.
    return { failure: `the agent failed (${codeOf(error)})`, hints: [] }
  }
}
