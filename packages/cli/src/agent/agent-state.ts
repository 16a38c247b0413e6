// What an agent keeps: where Keyhold is, which workspace it is, and its credential.
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { codeOf, Failure } from '../failure.ts'

export interface AgentState {
  readonly url: string
  readonly workspaceId: string
  readonly token: string
}

const FILE = 'agent.json'

/** The directory that is taken when none is named. @throws Failure */
export function stateDirectory(env: NodeJS.ProcessEnv, named: string | undefined): string {
  if (named) return named
  if (env.XDG_STATE_HOME) return join(env.XDG_STATE_HOME, 'keyhold-agent')
  if (env.HOME) return join(env.HOME, '.local/state/keyhold-agent')
  throw new Failure('neither HOME nor XDG_STATE_HOME says where the agent keeps its credential', {
    hints: ['name a directory: keyhold agent --state-dir=/var/lib/keyhold-agent'],
  })
}

/** @returns undefined when no agent has joined from here. @throws Failure */
export function readState(directory: string): AgentState | undefined {
  const path = join(directory, FILE)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw new Failure(`${path} cannot be read (${codeOf(error)})`)
  }
  const state = parsed(text)
  if (state !== undefined) return state
  throw new Failure(`${path} is not what an agent writes`, {
    hints: ['join anew: keyhold agent --enroll'],
  })
}

function parsed(text: string): AgentState | undefined {
  try {
    const { url, workspaceId, token } = JSON.parse(text)
    const isWhole = [url, workspaceId, token].every((one) => typeof one === 'string')
    return isWhole ? { url, workspaceId, token } : undefined
  } catch {
    // The error quotes the text, which has the credential in it.
    return undefined
  }
}

/** Keeps the state, so that after a crash there is either the one before or this one. @throws Failure */
export function writeState(directory: string, state: AgentState): void {
  const path = join(directory, FILE)
  const temporary = `${path}.${process.pid}`
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    rmSync(temporary, { force: true })
    const file = openSync(temporary, 'wx', 0o600)
    try {
      const bytes = Buffer.from(`${JSON.stringify(state, undefined, 2)}\n`)
      for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(temporary, path)
    // The name is on disk only when its directory is.
    const folder = openSync(directory, 'r')
    fsyncSync(folder)
    closeSync(folder)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw new Failure(`${path} cannot be written (${codeOf(error)})`, {
      hints: ['name a directory that can be: keyhold agent --state-dir=DIRECTORY'],
    })
  }
}
