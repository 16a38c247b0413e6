import { type Access, inWorkspace } from '../access/access.ts'
import type { Asker, Person } from '../access/caller.ts'
import { AppError } from '../base/app-error.ts'
import type { Clock } from '../base/clock.ts'
import type { Storage } from '../storage/storage.ts'
import * as store from './ssh-sessions.store.ts'
import type { VisitorLevel } from './tunnels.ts'

/** Servers that were not heard of for so long have ended, and what went through them with them. As upkeep/servers.ts. */
const SILENT_MS = 2 * 60_000

export interface NewSession {
  readonly id: string
  readonly workspaceId: string
  readonly accountId: string
  readonly level: VisitorLevel
  readonly address: string
  readonly fingerprint: string
}

/**
 * Who is in which workspace by SSH, over all servers. A row is the session's leave to go on: whoever ends it deletes the row,
 * and the server that has it looks every second.
 */
export class SshSessions {
  readonly #storage: Storage
  readonly #access: Access
  readonly #clock: Clock
  readonly #serverId: string

  constructor(storage: Storage, access: Access, clock: Clock, serverId: string) {
    this.#storage = storage
    this.#access = access
    this.#clock = clock
    this.#serverId = serverId
  }

  /** The owner and Admins see everybody, others themselves. */
  async list(asker: Asker<Person>, workspaceId: string): Promise<store.ShownSession[]> {
    const scope = inWorkspace(workspaceId)
    return this.#access.check(asker, 'ssh-session.list', scope, async () => {
      const permit = await this.#access.permit(asker, 'ssh-session.list', scope)
      // Taken away this very moment: then it is as if it had never been.
      if (!permit) throw new AppError('workspace.not_found')
      const heardSince = this.#clock.now().getTime() - SILENT_MS
      return store.listSessions(this.#storage.db, workspaceId, ofWhom(asker, permit), heardSince)
    })
  }

  /** @throws AppError `ssh_session.not_found`, also for another's. */
  async end(asker: Asker<Person>, workspaceId: string, id: string): Promise<void> {
    const about = inWorkspace(workspaceId, { target: { kind: 'ssh-session', id } })
    await this.#access.perform(asker, 'ssh-session.end', about, async (tx, _grant, permit) => {
      const ended = await store.deleteSession(tx, workspaceId, id, ofWhom(asker, permit))
      if (!ended) throw new AppError('ssh_session.not_found')
      const email = await store.findEmail(tx, ended.accountId)
      const name = `${email ?? ended.accountId} from ${ended.address}`
      return { result: undefined, record: { target: { kind: 'ssh-session', id, name } } }
    })
  }

  /** Says that somebody is in, through this server. */
  async begin(session: NewSession): Promise<void> {
    await this.#storage.transaction((tx) =>
      store.insertSession(tx, {
        id: session.id,
        workspace_id: session.workspaceId,
        account_id: session.accountId,
        server_id: this.#serverId,
        level: session.level,
        address: session.address,
        fingerprint: session.fingerprint,
        began_at: this.#clock.now().getTime(),
      }),
    )
  }

  /** Whether somebody is in by this session, through whichever server. Decides nothing. */
  async isOpen(workspaceId: string, id: string): Promise<boolean> {
    const heardSince = this.#clock.now().getTime() - SILENT_MS
    return store.isOpen(this.#storage.db, workspaceId, id, heardSince)
  }

  /** Says that they have left. */
  async left(id: string): Promise<void> {
    await this.#storage.transaction((tx) => store.forgetSession(tx, id))
  }

  /** Those through this server that may go on. */
  async going(): Promise<ReadonlySet<string>> {
    return new Set(await store.listIds(this.#storage.db, this.#serverId))
  }
}

const ofWhom = ({ caller }: Asker<Person>, { level }: { readonly level?: string }): string | undefined =>
  level === 'owner' || level === 'admin' ? undefined : caller.accountId
