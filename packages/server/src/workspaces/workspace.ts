import type {
  Share as ShareAnswer,
  ShareLevel,
  WorkspaceAgent as WorkspaceAgentAnswer,
  Workspace as WorkspaceAnswer,
  WorkspaceLevel,
} from '@keyhold/contract/api/workspaces'
import { newId } from '../base/ids.ts'

export interface PersonRef {
  readonly id: string
  readonly name: string
  readonly email: string
}

/** An environment of a project whose secrets the workspace gets. */
export interface LinkedEnvironment {
  readonly id: string
  readonly environment: string
  readonly projectId: string
  readonly project: string
  /** The owner is still a member of the project. */
  readonly isAvailable: boolean
}

export interface Workspace {
  readonly id: string
  readonly name: string
  readonly description: string
  readonly owner: PersonRef
  /** What the person who asks is in it. */
  readonly level: WorkspaceLevel
  /** In the order in which they count. */
  readonly environments: readonly LinkedEnvironment[]
  /** The agent that has joined. */
  readonly agent?: WorkspaceAgentState
  readonly createdAt: Date
}

export interface WorkspaceAgentState {
  readonly loginName: string
  readonly release: string
  readonly enrolledAt: Date
  readonly hasConnection: boolean
  readonly connectedAt: Date | null
  /** When the connection was last known to be there. */
  readonly seenAt: Date | null
}

/** How long a connection counts after it was last heard of: its server may have ended without a word. */
export const SILENT_MS = 60_000

/** A workspace as what it gets is put together. */
export interface DeliveredWorkspace {
  readonly id: string
  readonly name: string
  readonly owner: Pick<PersonRef, 'id' | 'name'>
  readonly environments: readonly LinkedEnvironment[]
}

/** What the agent of a workspace has put into effect: a delivery, and what of each of its secrets. */
export interface Applied {
  /** Of the delivery. */
  readonly version: string
  /** By id of the secret. */
  readonly items: Readonly<Record<string, AppliedItem>>
}

export interface AppliedItem {
  /** Of the secret. */
  readonly version: number
  /** Stands for the places where it goes and for what its references stand for. */
  readonly key: string
  /** Why it is not in effect, or its file is not. */
  readonly problem?: string
}

export interface Share {
  readonly person: PersonRef
  readonly level: ShareLevel
  readonly createdAt: Date
}

const ID_LENGTH = 12

/**
 * Makes a workspace id, `ws-` and 60 random bits. It is the host name that `ssh` is given: lower case, and never all
 * digits, which OpenSSH takes for an address (acceptance 6.7).
 */
export function newWorkspaceId(): string {
  for (;;) {
    const id = newId('').slice(1, 1 + ID_LENGTH)
    if (/[a-z]/.test(id)) return `ws-${id}`
  }
}

export function toWorkspaceAnswer(workspace: Workspace, now: Date): WorkspaceAnswer {
  const { environments, level, agent } = workspace
  return {
    id: workspace.id,
    name: workspace.name,
    description: workspace.description,
    owner: workspace.owner,
    level,
    // Where its secrets come from is no business of those who may not even know that there are any (acceptance C29).
    environments: level === 'view' ? [] : environments.map(({ id: _, ...environment }) => environment),
    agent: agent ? toAgentAnswer(agent, now) : null,
    createdAt: workspace.createdAt.toISOString(),
  }
}

function toAgentAnswer(agent: WorkspaceAgentState, now: Date): WorkspaceAgentAnswer {
  const { loginName, release, enrolledAt, connectedAt, seenAt } = agent
  const isConnected = agent.hasConnection && seenAt !== null && now.getTime() - seenAt.getTime() < SILENT_MS
  const since = isConnected ? connectedAt : seenAt
  return {
    isConnected,
    since: since?.toISOString() ?? null,
    enrolledAt: enrolledAt.toISOString(),
    loginName,
    release,
  }
}

export const toShareAnswer = (share: Share): ShareAnswer => ({
  ...share,
  createdAt: share.createdAt.toISOString(),
})
