import type { createWorkspace, ShareLevel, updateWorkspace } from '@keyhold/contract/api/workspaces'
import { limits } from '@keyhold/contract/limits'
import type { BodyOf } from '@keyhold/contract/route'
import { type Access, instance, inWorkspace } from '../access/access.ts'
import type { Asker, Person } from '../access/caller.ts'
import type { Accounts } from '../accounts/accounts.service.ts'
import { AppError } from '../base/app-error.ts'
import type { Clock } from '../base/clock.ts'
import { nameKey } from '../projects/project.ts'
import type { Projects } from '../projects/projects.service.ts'
import { lockAccount } from '../storage/locks.ts'
import { type Storage, violatedUnique } from '../storage/storage.ts'
import type { Transaction } from '../storage/tables.ts'
import { expireCredentials } from './agents.store.ts'
import { type NeedsOfWorkspace, toNeeds } from './template.ts'
import { findNeeds, findTemplate, setNeeds } from './templates.store.ts'
import { type DeliveredWorkspace, newWorkspaceId, type Share, type Workspace } from './workspace.ts'
import * as store from './workspaces.store.ts'

export type NewWorkspace = BodyOf<typeof createWorkspace>
export type WorkspaceChange = BodyOf<typeof updateWorkspace>

/** Workspaces, which environments of projects they get, and with whom they are shared. */
export class Workspaces {
  readonly #storage: Storage
  readonly #access: Access
  readonly #accounts: Accounts
  readonly #projects: Projects
  readonly #clock: Clock

  constructor(storage: Storage, access: Access, accounts: Accounts, projects: Projects, clock: Clock) {
    this.#storage = storage
    this.#access = access
    this.#accounts = accounts
    this.#projects = projects
    this.#clock = clock
  }

  async list({ caller }: Asker<Person>): Promise<Workspace[]> {
    return store.listWorkspacesOf(this.#storage.db, caller.accountId)
  }

  /** For the inventory, which has decided. */
  async ownedBy(accountId: string): Promise<{ id: string; name: string }[]> {
    return store.listOwned(this.#storage.db, accountId)
  }

  /** Ids of the workspaces that are somebody's, or shared with them as Admin: whose records they see. */
  async listAdministered(accountId: string): Promise<string[]> {
    return store.listAdministered(this.#storage.db, accountId)
  }

  /** For the delivery, which has decided. @throws AppError `workspace.not_found` */
  async findForDelivery(id: string): Promise<DeliveredWorkspace> {
    const workspace = await store.findForDelivery(this.#storage.db, id)
    if (!workspace) throw new AppError('workspace.not_found')
    return workspace
  }

  /** For the delivery, which has decided. */
  async needsOf(id: string): Promise<NeedsOfWorkspace | undefined> {
    return findNeeds(this.#storage.db, id)
  }

  async get(asker: Asker<Person>, id: string): Promise<Workspace> {
    return this.#access.check(asker, 'workspace.read', inWorkspace(id), async () => {
      const workspace = await store.findWorkspace(this.#storage.db, id, asker.caller.accountId)
      if (!workspace) throw new AppError('workspace.not_found')
      return workspace
    })
  }

  async create(asker: Asker<Person>, wish: NewWorkspace): Promise<Workspace> {
    const { accountId } = asker.caller
    const id = newWorkspaceId()
    return this.#access.perform(asker, 'workspace.create', instance, async (tx) => {
      // Of two at once the second one counts the first.
      await lockAccount(tx, accountId)
      if ((await store.countWorkspacesOf(tx, accountId)) >= limits.workspacesPerPerson)
        throw new AppError('workspace.limit')
      await orNameTaken(() =>
        store.insertWorkspace(tx, {
          id,
          owner_id: accountId,
          name: wish.name,
          name_key: nameKey(wish.name),
          description: wish.description ?? '',
          created_at: this.#clock.now().getTime(),
        }),
      )
      await store.setEnvironments(tx, id, await this.#environmentIds(tx, asker, wish.environments ?? []))
      if (wish.templateId !== undefined) {
        const template = await findTemplate(tx, wish.templateId)
        if (!template) throw new AppError('template.not_found')
        await setNeeds(tx, id, { template: template.name, needs: template.needs })
      }
      const result = (await store.findWorkspace(tx, id, accountId))!
      return { result, record: workspaceRecord(result) }
    })
  }

  async update(asker: Asker<Person>, id: string, change: WorkspaceChange): Promise<Workspace> {
    return this.#access.perform(asker, 'workspace.update', inWorkspace(id), async (tx) => {
      const { accountId } = asker.caller
      const before = (await store.findWorkspace(tx, id, accountId))!
      const name = change.name ?? before.name
      const description = change.description ?? before.description
      const had = before.environments.map((environment) => environment.id)
      const environments = change.environments
        ? await this.#environmentIds(tx, asker, change.environments)
        : had
      const needed = await findNeeds(tx, id)
      const needs = change.needs ? toNeeds(change.needs) : (needed?.needs ?? [])
      const changed = [
        ...(name === before.name ? [] : ['name']),
        ...(description === before.description ? [] : ['description']),
        ...(environments.join() === had.join() ? [] : ['environments']),
        ...(JSON.stringify(needs) === JSON.stringify(needed?.needs ?? []) ? [] : ['needs']),
      ]
      if (changed.length === 0) return { result: before, record: null }
      await orNameTaken(() => store.updateWorkspace(tx, id, { name, name_key: nameKey(name), description }))
      if (changed.includes('needs')) await setNeeds(tx, id, { template: needed?.template ?? '', needs })
      if (changed.includes('environments')) await store.setEnvironments(tx, id, environments)
      const result = (await store.findWorkspace(tx, id, accountId))!
      return { result, record: { changed, ...workspaceRecord(result) } }
    })
  }

  /** @param confirm has to be the workspace's name. */
  async delete(asker: Asker<Person>, id: string, confirm: string | undefined): Promise<void> {
    await this.#access.perform(asker, 'workspace.delete', inWorkspace(id), async (tx) => {
      const workspace = (await store.findWorkspace(tx, id, asker.caller.accountId))!
      if (confirm !== workspace.name) throw new AppError('workspace.confirmation')
      await store.deleteWorkspace(tx, id)
      return { result: undefined, record: workspaceRecord(workspace) }
    })
  }

  async listShares(asker: Asker<Person>, id: string): Promise<Share[]> {
    return this.#access.check(asker, 'share.list', inWorkspace(id), () =>
      store.listShares(this.#storage.db, id),
    )
  }

  async createShare(asker: Asker<Person>, id: string, email: string, level: ShareLevel): Promise<Share> {
    return this.#access.perform(asker, 'share.create', inWorkspace(id), async (tx) => {
      const account = await this.#accounts.findByEmail(email, tx)
      if (!account) throw new AppError('account.not_found')
      // One's own workspace needs no share, and one would only hide what is lowered.
      if (account.id === asker.caller.accountId) throw new AppError('share.exists')
      if ((await store.listShares(tx, id)).length >= limits.sharesPerWorkspace)
        throw new AppError('share.limit')
      await store
        .insertShare(tx, {
          workspace_id: id,
          account_id: account.id,
          level,
          created_at: this.#clock.now().getTime(),
        })
        .catch((error: unknown) => {
          throw violatedUnique(error) ? new AppError('share.exists', {}, error) : error
        })
      const result = (await store.findShare(tx, id, account.id))!
      return { result, record: shareRecord(result) }
    })
  }

  async updateShare(asker: Asker<Person>, id: string, accountId: string, level: ShareLevel): Promise<Share> {
    return this.#access.perform(asker, 'share.update', inWorkspace(id), async (tx) => {
      const before = await store.findShare(tx, id, accountId)
      if (!before) throw new AppError('share.not_found')
      if (before.level === level) return { result: before, record: null }
      await store.updateShare(tx, id, accountId, level)
      if (mayEnter(before.level) && level !== 'admin') await expireCredentials(tx, id)
      const result = { ...before, level }
      return { result, record: { changed: ['level'], ...shareRecord(result) } }
    })
  }

  /** Ends a share: the owner any of them, everybody else their own. */
  async deleteShare(asker: Asker<Person>, id: string, accountId: string): Promise<void> {
    await this.#access.perform(asker, 'share.delete', inWorkspace(id), async (tx, _grant, permit) => {
      const isOwn = asker.caller.accountId === accountId
      if (permit.level !== 'owner' && !isOwn) throw new AppError('access.refused')
      const share = await store.findShare(tx, id, accountId)
      if (!share) throw new AppError('share.not_found')
      await store.deleteShare(tx, id, accountId)
      if (mayEnter(share.level)) await expireCredentials(tx, id)
      return { result: undefined, record: shareRecord(share) }
    })
  }

  /** Ids of environments, as the owner may read them, in the order given. What is named twice counts once. */
  async #environmentIds(
    tx: Transaction,
    asker: Asker<Person>,
    wished: NonNullable<NewWorkspace['environments']>,
  ): Promise<string[]> {
    const ids: string[] = []
    for (const { projectId, environment } of wished)
      ids.push(
        await this.#projects.findReadableEnvironment(tx, asker.caller.accountId, projectId, environment),
      )
    return [...new Set(ids)]
  }
}

function workspaceRecord({ id, name }: Workspace) {
  return { workspace: id, target: { kind: 'workspace', id, name } }
}

const mayEnter = (level: ShareLevel) => level !== 'view'

function shareRecord({ person, level }: Share) {
  return { target: { kind: 'share', id: person.id, name: `${person.email} (${level})` } }
}

async function orNameTaken(write: () => Promise<void>): Promise<void> {
  try {
    await write()
  } catch (error) {
    throw violatedUnique(error) ? new AppError('workspace.name_taken', {}, error) : error
  }
}
