import type { ProjectRole } from '@keyhold/contract/api/projects'
import { limits } from '@keyhold/contract/limits'
import { type Access, inProject, instance } from '../access/access.ts'
import type { Asker, Machine, Person } from '../access/caller.ts'
import type { Accounts } from '../accounts/accounts.service.ts'
import { AppError } from '../base/app-error.ts'
import type { Clock } from '../base/clock.ts'
import { newId } from '../base/ids.ts'
import { lockAccount, lockProject } from '../storage/locks.ts'
import { type Storage, violatedUnique } from '../storage/storage.ts'
import type { Transaction } from '../storage/tables.ts'
import { ALL, type Environment, type Member, nameKey, type Project } from './project.ts'
import {
  deleteEnvironment,
  deleteMember,
  deleteProject,
  findEnvironment,
  findMember,
  findProject,
  insertEnvironment,
  insertMember,
  insertProject,
  isNameTakenFor,
  listAdministered,
  listEnvironments,
  listMembers,
  listProjectsOf,
  updateEnvironment,
  updateMember,
  updateProject,
} from './projects.store.ts'

/** Projects, their members and environments. */
export class Projects {
  readonly #storage: Storage
  readonly #access: Access
  readonly #accounts: Accounts
  readonly #clock: Clock

  constructor(storage: Storage, access: Access, accounts: Accounts, clock: Clock) {
    this.#storage = storage
    this.#access = access
    this.#accounts = accounts
    this.#clock = clock
  }

  async list({ caller }: Asker<Person>): Promise<Project[]> {
    return listProjectsOf(this.#storage.db, caller.accountId)
  }

  async get(asker: Asker<Person>, id: string): Promise<Project> {
    return this.#access.check(asker, 'project.read', inProject(id), async () => {
      const project = await findProject(this.#storage.db, id, asker.caller.accountId)
      if (!project) throw new AppError('project.not_found')
      return project
    })
  }

  async create(asker: Asker<Person>, name: string, description: string): Promise<Project> {
    const id = newId('prj')
    const now = this.#clock.now().getTime()
    return this.#access.perform(asker, 'project.create', instance, async (tx) => {
      await this.#assertNameFree(tx, asker, name)
      await insertProject(tx, { id, name, name_key: nameKey(name), description, created_at: now })
      const { accountId } = asker.caller
      await insertMember(tx, { project_id: id, account_id: accountId, role: 'admin', created_at: now })
      await insertEnvironment(tx, {
        id: newId('env'),
        project_id: id,
        name: ALL,
        name_key: nameKey(ALL),
        description: '',
        external_url: null,
        is_default: 1,
        created_at: now,
      })
      const result = (await findProject(tx, id, accountId))!
      return { result, record: { project: { id, name }, target: { kind: 'project', id, name } } }
    })
  }

  async update(
    asker: Asker<Person>,
    id: string,
    change: { name?: string; description?: string },
  ): Promise<Project> {
    return this.#access.perform(asker, 'project.update', inProject(id), async (tx) => {
      const before = (await findProject(tx, id, asker.caller.accountId))!
      const after = {
        name: change.name ?? before.name,
        description: change.description ?? before.description,
      }
      const changed = changedFields(before, after)
      if (changed.length === 0) return { result: before, record: null }
      if (changed.includes('name')) await this.#assertNameFree(tx, asker, after.name, id)
      await updateProject(tx, id, after)
      const target = { kind: 'project', id, name: after.name }
      return { result: { ...before, ...after }, record: { changed, target } }
    })
  }

  /**
   * Of one's own projects no two have one name, so that it can stand for the project in commands. Whether others use
   * it is nobody's business: the answer would tell that their project exists.
   */
  async #assertNameFree(
    tx: Transaction,
    asker: Asker<Person>,
    name: string,
    exceptId?: string,
  ): Promise<void> {
    await lockAccount(tx, asker.caller.accountId)
    if (await isNameTakenFor(tx, asker.caller.accountId, name, exceptId))
      throw new AppError('project.name_taken')
  }

  /** @param confirm has to be the project's name. */
  async delete(asker: Asker<Person>, id: string, confirm: string | undefined): Promise<void> {
    await this.#access.perform(asker, 'project.delete', inProject(id), async (tx, _grant, { project }) => {
      if (!project || confirm !== project.name) throw new AppError('project.confirmation')
      await deleteProject(tx, id)
      return { result: undefined, record: { target: { kind: 'project', id, name: project.name } } }
    })
  }

  async listMembers(asker: Asker<Person>, projectId: string): Promise<Member[]> {
    return this.#access.check(asker, 'member.list', inProject(projectId), () =>
      listMembers(this.#storage.db, projectId),
    )
  }

  async addMember(
    asker: Asker<Person>,
    projectId: string,
    email: string,
    role: ProjectRole,
  ): Promise<Member> {
    return this.#access.perform(asker, 'member.create', inProject(projectId), async (tx) => {
      const account = await this.#accounts.findByEmail(email, tx)
      if (!account) throw new AppError('account.not_found')
      await orTaken('member.exists', () =>
        insertMember(tx, {
          project_id: projectId,
          account_id: account.id,
          role,
          created_at: this.#clock.now().getTime(),
        }),
      )
      const result = (await findMember(tx, projectId, account.id))!
      return { result, record: { target: { kind: 'member', id: account.id, name: account.email } } }
    })
  }

  /**
   * Makes somebody a member of projects on the word of another person, where that one still is an Admin. Records nothing.
   * @returns the projects where that was so.
   */
  async join(
    tx: Transaction,
    inviterId: string,
    accountId: string,
    wishes: readonly { projectId: string; role: ProjectRole }[],
  ): Promise<{ id: string; name: string }[]> {
    const joined: { id: string; name: string }[] = []
    // In one order, so that two who join the same projects do not wait for each other.
    for (const { projectId, role } of wishes.toSorted((a, b) => (a.projectId < b.projectId ? -1 : 1))) {
      const project = await findProject(tx, projectId, inviterId)
      if (!project) continue
      await lockProject(tx, projectId)
      if ((await findMember(tx, projectId, inviterId))?.role !== 'admin') continue
      const now = this.#clock.now().getTime()
      await insertMember(tx, { project_id: projectId, account_id: accountId, role, created_at: now })
      joined.push({ id: projectId, name: project.name })
    }
    return joined
  }

  async updateMember(
    asker: Asker<Person>,
    projectId: string,
    accountId: string,
    role: ProjectRole,
  ): Promise<Member> {
    return this.#access.perform(asker, 'member.update', inProject(projectId), async (tx) => {
      const before = await findMember(tx, projectId, accountId)
      if (!before) throw new AppError('member.not_found')
      if (before.role === role) return { result: before, record: null }
      await updateMember(tx, projectId, accountId, role)
      await assertAdminLeft(tx, projectId)
      const target = { kind: 'member', id: accountId, name: before.person.email }
      return { result: { ...before, role }, record: { changed: ['role'], target } }
    })
  }

  async removeMember(asker: Asker<Person>, projectId: string, accountId: string): Promise<void> {
    await this.#access.perform(asker, 'member.delete', inProject(projectId), async (tx) => {
      const before = await findMember(tx, projectId, accountId)
      if (!before) throw new AppError('member.not_found')
      await deleteMember(tx, projectId, accountId)
      await assertAdminLeft(tx, projectId)
      return {
        result: undefined,
        record: { target: { kind: 'member', id: accountId, name: before.person.email } },
      }
    })
  }

  async listEnvironments(asker: Asker<Person | Machine>, projectId: string): Promise<Environment[]> {
    return this.#access.check(asker, 'environment.list', inProject(projectId), () =>
      listEnvironments(this.#storage.db, projectId),
    )
  }

  async createEnvironment(
    asker: Asker<Person>,
    projectId: string,
    environment: { name: string; description: string; externalUrl: string | null },
  ): Promise<Environment> {
    return this.#access.perform(asker, 'environment.create', inProject(projectId), async (tx) => {
      const existing = await listEnvironments(tx, projectId)
      if (existing.length >= limits.environmentsPerProject) throw new AppError('environment.limit')
      const id = newId('env')
      await orTaken('environment.name_taken', () =>
        insertEnvironment(tx, {
          id,
          project_id: projectId,
          name: environment.name,
          name_key: nameKey(environment.name),
          description: environment.description,
          external_url: environment.externalUrl,
          is_default: 0,
          created_at: this.#clock.now().getTime(),
        }),
      )
      const result = (await findEnvironment(tx, projectId, id))!
      return { result, record: environmentRecord(result) }
    })
  }

  async updateEnvironment(
    asker: Asker<Person>,
    projectId: string,
    id: string,
    change: { name?: string; description?: string; externalUrl?: string | null },
  ): Promise<Environment> {
    return this.#access.perform(asker, 'environment.update', inProject(projectId), async (tx) => {
      const before = await findEnvironment(tx, projectId, id)
      if (!before) throw new AppError('environment.not_found')
      const after = {
        name: change.name ?? before.name,
        description: change.description ?? before.description,
        externalUrl: change.externalUrl === undefined ? before.externalUrl : change.externalUrl,
      }
      const changed = changedFields(before, after)
      if (changed.length === 0) return { result: before, record: null }
      if (before.isDefault && changed.includes('name')) throw new AppError('environment.default')
      const { externalUrl, ...rest } = after
      await orTaken('environment.name_taken', () =>
        updateEnvironment(tx, id, { ...rest, external_url: externalUrl }),
      )
      const result = { ...before, ...after }
      return { result, record: { changed, ...environmentRecord(result) } }
    })
  }

  /** @param confirm has to be the environment's name. */
  async deleteEnvironment(
    asker: Asker<Person>,
    projectId: string,
    id: string,
    confirm: string | undefined,
  ): Promise<void> {
    await this.#access.perform(asker, 'environment.delete', inProject(projectId), async (tx) => {
      const environment = await findEnvironment(tx, projectId, id)
      if (!environment) throw new AppError('environment.not_found')
      if (environment.isDefault) throw new AppError('environment.default')
      if (confirm !== environment.name) throw new AppError('environment.confirmation')
      await deleteEnvironment(tx, id)
      return { result: undefined, record: environmentRecord(environment) }
    })
  }

  /**
   * The environment of a project that the person is a member of, by its name.
   * @throws AppError `project.not_found`, `environment.not_found`
   */
  async findReadableEnvironment(
    tx: Transaction,
    accountId: string,
    projectId: string,
    name: string,
  ): Promise<string> {
    if (!(await findProject(tx, projectId, accountId))) throw new AppError('project.not_found')
    const environments = await listEnvironments(tx, projectId)
    const found = environments.find((environment) => nameKey(environment.name) === nameKey(name))
    if (!found) throw new AppError('environment.not_found')
    return found.id
  }

  /** Ids of the projects whose audit records the person may read. */
  async listAdministered(accountId: string): Promise<string[]> {
    return listAdministered(this.#storage.db, accountId)
  }
}

function environmentRecord({ id, name }: Environment) {
  return { environment: name, target: { kind: 'environment', id, name } }
}

/** Names of the fields of `after` that differ. */
function changedFields<T extends object>(before: T, after: Partial<T>): string[] {
  return Object.keys(after).filter((field) => after[field as keyof T] !== before[field as keyof T]) // `as`: keys of T.
}

/** Turns a unique violation into the error it means. */
async function orTaken(
  code: 'member.exists' | 'environment.name_taken',
  insert: () => Promise<void>,
): Promise<void> {
  try {
    await insert()
  } catch (error) {
    throw violatedUnique(error) ? new AppError(code, {}, error) : error
  }
}

async function assertAdminLeft(tx: Transaction, projectId: string): Promise<void> {
  const members = await listMembers(tx, projectId)
  if (!members.some((member) => member.role === 'admin')) throw new AppError('member.last_admin')
}
