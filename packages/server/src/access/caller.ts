import type { Scope } from '@keyhold/contract/actions'
import type { AuditRecord } from '@keyhold/contract/api/audit'
import type { Origin } from '../base/origin.ts'

/** A person, by what they proved to be one. */
export interface Person {
  readonly kind: 'person'
  readonly accountId: string
  readonly name: string
  readonly role: 'admin' | 'member'
  /** The password was set by an administrator; until it is changed nothing else is allowed. */
  readonly mustChangePassword: boolean
  /** Signing in takes more than a password; or an identity provider that is trusted to asked for more. */
  readonly hasSecondFactor: boolean
  readonly credential:
    | {
        readonly kind: 'session'
        readonly id: string
        readonly authenticatedAt: Date
        readonly expiresAt: Date
        /** Begun at an identity provider; until a code or a passkey follows, nothing else is allowed. */
        readonly needsSecondFactor?: boolean
      }
    | {
        readonly kind: 'access-token'
        readonly id: string
        /** null: all the person's rights. */
        readonly scopes: readonly Scope[] | null
        readonly expiresAt: Date | null
        readonly lastUsedAt: Date | null
      }
    | {
        /** Proven to the SSH gateway. */
        readonly kind: 'ssh-key'
        readonly id: string
        readonly expiresAt: null
      }
}

/** A machine, by its project access key. */
export interface Machine {
  readonly kind: 'access-key'
  readonly accessKeyId: string
  readonly project: { readonly id: string; readonly name: string }
  readonly permission: 'read' | 'read_write'
  readonly lastUsedAt: Date | null
  /** When what it signed in with ends by itself. */
  readonly expiresAt?: Date | null
  /** Set where it has no access key but a token of its platform; `accessKeyId` is then the id of the workload identity. */
  readonly workload?: { readonly subject: string; readonly credentialId: string }
}

/** The agent of a workspace, by its credential. */
export interface WorkspaceAgent {
  readonly kind: 'workspace'
  readonly workspaceId: string
  readonly name: string
  readonly ownerId: string
  /** Which of the workspace's agents it is: those before it are shut out. */
  readonly epoch: number
  readonly credentialId: string
  readonly credentialCreatedAt: Date
  /** Whose session by SSH it asks for: what it gets is recorded as theirs. What may leave is decided as for the agent. */
  readonly visitor?: Person
}

/** Whoever may run commands on the server's machine. */
export interface Operator {
  readonly kind: 'operator'
}

export type Caller = Person | Machine | WorkspaceAgent | Operator

/** Who asks, and from where. */
export interface Asker<C extends Caller = Caller> {
  readonly caller: C
  readonly origin: Origin
}

/** Whose own things a caller acts on: a person's, and by the agent of a workspace its owner's. */
export function ownerIdOf(caller: Person | WorkspaceAgent): string
export function ownerIdOf(caller: Caller): string | undefined
export function ownerIdOf(caller: Caller): string | undefined {
  if (caller.kind === 'workspace') return caller.ownerId
  return caller.kind === 'person' ? caller.accountId : undefined
}

/** How the audit log names a caller. */
export function toActor(caller: Caller): AuditRecord['actor'] {
  switch (caller.kind) {
    case 'person':
      return { kind: 'person', id: caller.accountId, name: caller.name, credential: caller.credential.id }
    case 'access-key':
      return caller.workload
        ? {
            kind: 'workload-identity',
            id: caller.accessKeyId,
            name: caller.workload.subject,
            credential: caller.workload.credentialId,
          }
        : { kind: 'access-key', id: caller.accessKeyId }
    case 'workspace':
      // Whose session it is the agent says, and who runs as the same account can say it too.
      if (caller.visitor) return { ...toActor(caller.visitor), saidBy: caller.credentialId }
      return { kind: 'workspace', id: caller.workspaceId, credential: caller.credentialId }
    case 'operator':
      return { kind: 'operator' }
  }
}
