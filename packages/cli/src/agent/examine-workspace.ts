// What keeps the programs of a workspace from having what it gets, and people from entering it.
import { lstatSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { Failure } from '../failure.ts'
import type { Finding } from '../finding.ts'
import type { AgentStatus } from './agent-status.ts'
import { identityVariables } from './identity-variables.ts'
import { askAgent } from './requests.ts'
import { AGENT } from './ssh-agent.ts'

/** Expiry and certificates go wrong beyond this. */
const CLOCK_DIFFERENCE_SECONDS_MAX = 30
const ANSWER_MS = 5_000
const NAMES_SHOWN = 10

/** Looks at this workspace from the inside. Reads no values. */
export async function* examineWorkspace(env: NodeJS.ProcessEnv): AsyncGenerator<Finding, void> {
  let status: AgentStatus
  try {
    status = await askAgent(env, 'status', {})
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    yield { check: 'agent', status: 'fail', message: error.message, hint: error.hints[0] }
    return
  }
  yield connection(status)
  yield clock(status)
  yield* secrets(status, env)
  yield* files(status)
  yield* ssh(status)
  yield await sshAgent(env)
  yield hooks(env)
}

function connection({ workspaceId, url, connectedAt, epoch }: AgentStatus): Finding {
  const check = 'agent'
  if (connectedAt === null)
    return {
      check,
      status: 'fail',
      message: `of ${workspaceId}, not connected to ${url}: what it has stays, and what changes does not come`,
      hint: 'its output says why; it tries again by itself',
    }
  const message = `of ${workspaceId}, connected to ${url} since ${connectedAt}${epoch === null ? '' : `, epoch ${epoch}`}`
  return { check, status: 'ok', message }
}

function clock({ clockAheadSeconds: ahead }: AgentStatus): Finding {
  const check = 'agent clock'
  if (ahead === null) return { check, status: 'ok', message: 'not compared yet' }
  const difference = Math.abs(ahead)
  if (difference <= 2) return { check, status: 'ok', message: "agrees with the server's" }
  const message = `${difference} s ${ahead > 0 ? 'ahead of' : 'behind'} the server's`
  if (difference <= CLOCK_DIFFERENCE_SECONDS_MAX) return { check, status: 'ok', message }
  return { check, status: 'warn', message, hint: 'set the clock of this machine, or of the server' }
}

function* secrets({ secrets: found }: AgentStatus, env: NodeJS.ProcessEnv): Generator<Finding, void> {
  const { isCurrent, inEffect, refused } = found
  const check = 'secrets'
  const names = inEffect.flatMap(({ name }) => name ?? [])
  yield finding(check, isCurrent ? 'ok' : 'warn', {
    message: `${names.length === 0 ? 'none' : shown(names)} in effect`,
    hint: isCurrent ? undefined : 'changes are pending: they come with the connection',
  })
  for (const { name, reason } of refused)
    yield finding(check, 'warn', {
      message: `${name} is not in effect: ${reason}`,
      hint: 'keyhold workspace variables WORKSPACE says where each one comes from',
    })
  // A terminal keeps what it began with (SEC-33, SEC-35).
  const missing = names.filter((name) => env[name] === undefined)
  if (missing.length > 0)
    yield finding('terminal', 'ok', {
      message: `${shown(missing)} not in this terminal`,
      hint: 'open a new one by SSH, or start programs with: keyhold run -- COMMAND',
    })
}

function* files({ secrets: { inEffect } }: AgentStatus): Generator<Finding, void> {
  const check = 'files'
  for (const { file } of inEffect) {
    if (file === undefined) continue
    const problem = problemOf(file)
    if (problem === undefined) yield finding(check, 'ok', { message: `${file} is in place` })
    else yield finding(check, 'fail', { message: `${file} ${problem}`, hint: 'it is made anew in a minute' })
  }
}

/** What is wrong with a file of the agent: a link to bytes that only this user can read. */
function problemOf(path: string): string | undefined {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return 'is not there'
  const status = statSync(path, { throwIfNoEntry: false })
  if (status === undefined) return 'leads nowhere'
  return (status.mode & 0o077) === 0
    ? undefined
    : `can be read by others (mode ${(status.mode & 0o777).toString(8)})`
}

function* ssh({ ssh: server }: AgentStatus): Generator<Finding, void> {
  const { hasServer, canOpenTerminals, certificateUntil } = server
  const check = 'ssh server'
  if (!hasServer)
    return yield finding(check, 'warn', {
      message: 'there is no sshd, so nobody can enter by SSH',
      hint: 'install the package openssh-server',
    })
  if (certificateUntil === null)
    return yield finding(check, 'warn', {
      message: 'the host key has no certificate yet',
      hint: 'it comes with the connection',
    })
  const isOver = Date.parse(certificateUntil) < Date.now()
  const message = `certificate of the host ${isOver ? 'ended' : 'is good until'} ${certificateUntil}`
  yield finding(check, isOver ? 'fail' : 'ok', { message })
  if (!canOpenTerminals)
    yield finding(check, 'warn', {
      message: 'sessions by SSH get no terminal',
      hint: 'make this account a member of the group tty, or mount /dev/pts with gid of tty',
    })
}

/** Whether what SSH_AUTH_SOCK names answers: ours, or one that was there before. */
async function sshAgent(env: NodeJS.ProcessEnv): Promise<Finding> {
  const check = 'ssh agent'
  const path = identityVariables(env).SSH_AUTH_SOCK ?? env.SSH_AUTH_SOCK ?? ''
  const keys = await countKeys(path)
  if (keys === undefined)
    return { check, status: 'warn', message: `${path} does not answer`, hint: 'unset SSH_AUTH_SOCK' }
  return { check, status: 'ok', message: `${path} answers, with ${keys === 1 ? '1 key' : `${keys} keys`}` }
}

/** @returns how many keys an ssh-agent has (draft-ietf-sshm-ssh-agent §3.5); undefined when it does not say. */
function countKeys(path: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path)
    let bytes = Buffer.alloc(0)
    const settle = (count?: number) => {
      socket.destroy()
      resolve(count)
    }
    socket.setTimeout(ANSWER_MS, () => settle())
    socket.on('error', () => settle())
    socket.on('close', () => settle())
    socket.on('data', (piece) => {
      bytes = Buffer.concat([bytes, piece as Buffer]) // `as`: no encoding is set.
      if (bytes.length >= 9) settle(bytes[4] === AGENT.identitiesAnswer ? bytes.readUInt32BE(5) : undefined)
    })
    socket.write(Buffer.from([0, 0, 0, 1, AGENT.requestIdentities]))
  })
}

function hooks(env: NodeJS.ProcessEnv): Finding {
  const check = 'hooks'
  const isWatched = env.KEYHOLD_USES !== undefined
  const isNode = /--require \S*hooks\/node\.cjs/.test(env.NODE_OPTIONS ?? '')
  const isPython = /hooks\/python(?::|$)/.test(env.PYTHONPATH ?? '')
  if (!isWatched)
    return {
      check,
      status: 'ok',
      message: 'not in this terminal: programs tell which line reads a secret when keyhold run starts them',
    }
  if (isNode && isPython) return { check, status: 'ok', message: 'active for Node and Python' }
  const missing = [...(isNode ? [] : ['NODE_OPTIONS']), ...(isPython ? [] : ['PYTHONPATH'])]
  return {
    check,
    status: 'warn',
    message: `${missing.join(' and ')} was replaced: what such programs read is not told`,
    hint: 'add to the variable in place of setting it',
  }
}

const finding = (
  check: string,
  status: Finding['status'],
  { message, hint }: { message: string; hint?: string | undefined },
): Finding => ({ check, status, message, hint })

const shown = (names: readonly string[]) =>
  names.slice(0, NAMES_SHOWN).join(', ') +
  (names.length > NAMES_SHOWN ? ` and ${names.length - NAMES_SHOWN} more` : '')
