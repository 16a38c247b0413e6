// Where programs of a workspace get its secrets: a socket of the agent, in a directory that only its user can enter.
import { lstatSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { codeOf, Failure } from '../failure.ts'
import type { DeliveredSecret, Delivery, SecretType } from './delivery.ts'

/** What the agent writes to whoever connects, as JSON, before it ends the connection. */
export interface AgentAnswer {
  readonly workspaceId: string
  /** Undefined until the first delivery has arrived. */
  readonly delivery?: {
    readonly secrets: readonly {
      readonly name: string | null
      readonly type: SecretType
      readonly value: string
      readonly encoding: 'utf8' | 'base64'
      /** Where its file is, at the path that was chosen for it; missing where none was, or it could not be written. */
      readonly file?: string
      /** The same where no path was chosen: for sessions, since it goes with the agent. */
      readonly link?: string
    }[]
    readonly leftOut: readonly { readonly name: string; readonly reason: string }[]
    readonly referenced: readonly { readonly value: string; readonly encoding: 'utf8' | 'base64' }[]
  }
}

/** Where the agent of this user listens. */
export function agentSocketPath(env: NodeJS.ProcessEnv): string {
  if (env.KEYHOLD_AGENT_SOCKET) return env.KEYHOLD_AGENT_SOCKET
  const directory = env.XDG_RUNTIME_DIR
    ? join(env.XDG_RUNTIME_DIR, 'keyhold-agent')
    : `/tmp/keyhold-agent-${process.getuid?.() ?? 0}`
  return join(directory, 'agent.sock')
}

/** Whether there is a socket of an agent. */
export function isInWorkspace(env: NodeJS.ProcessEnv): boolean {
  try {
    return lstatSync(agentSocketPath(env)).isSocket()
  } catch {
    return false
  }
}

/** @throws Failure unless nobody else can put something into the directory: who can would choose what programs get. */
export function assertPrivate(directory: string): void {
  const status = lstatSync(directory)
  const isOurs = status.isDirectory() && status.uid === process.getuid?.() && (status.mode & 0o077) === 0
  if (isOurs) return
  throw new Failure(`${directory} is not a directory that only you can enter`, {
    hints: [
      'name another place, for the agent and for keyhold run: KEYHOLD_AGENT_SOCKET=DIRECTORY/agent.sock',
    ],
  })
}

/** Gets what the workspace has, from its agent. @throws Failure */
export async function fetchWorkspaceDelivery(env: NodeJS.ProcessEnv): Promise<Delivery> {
  const path = agentSocketPath(env)
  assertPrivate(dirname(path))
  const { workspaceId, delivery } = await ask(path)
  if (delivery === undefined)
    throw new Failure('the agent of this workspace has not heard from Keyhold yet', {
      hints: ['is it connected? keyhold workspace show WORKSPACE'],
    })
  const toSecret = (name: string, type: SecretType, value: string, encoding: 'utf8' | 'base64') =>
    ({ name, type, value: Buffer.from(value, encoding), source: 'workspace' }) satisfies DeliveredSecret
  return {
    environment: `workspace ${workspaceId}`,
    secrets: delivery.secrets.flatMap(({ name, type, value, encoding, file }) =>
      name === null
        ? []
        : [{ ...toSecret(name, type, value, encoding), ...(file !== undefined && { file }) }],
    ),
    unresolved: delivery.leftOut.map(({ name, reason }) => ({ name, explanation: reason })),
    referenced: delivery.referenced.map(({ value, encoding }) =>
      toSecret('reference', 'token', value, encoding),
    ),
  }
}

function ask(path: string): Promise<AgentAnswer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = []
    connect(path)
      .on('data', (part) => parts.push(Buffer.from(part as Buffer))) // `as`: no encoding is set.
      .on('error', (error) =>
        reject(
          new Failure(`the agent of this workspace does not answer (${codeOf(error)})`, {
            hints: ['start it: keyhold agent'],
          }),
        ),
      )
      .on('end', () => {
        try {
          resolve(JSON.parse(Buffer.concat(parts).toString('utf8')) as AgentAnswer) // `as`: of the agent of this user.
        } catch {
          // The cause is dropped: a JSON error quotes its input.
          reject(new Failure('the agent of this workspace ended amid its answer'))
        }
      })
  })
}
