import type { createTemplate, updateTemplate } from '@keyhold/contract/api/templates'
import { limits } from '@keyhold/contract/limits'
import type { BodyOf } from '@keyhold/contract/route'
import { type Access, instance } from '../access/access.ts'
import type { Asker, Person } from '../access/caller.ts'
import { AppError, invalidField } from '../base/app-error.ts'
import type { Clock } from '../base/clock.ts'
import { newId } from '../base/ids.ts'
import { nameKey } from '../projects/project.ts'
import { type Storage, violatedUnique } from '../storage/storage.ts'
import type { Transaction } from '../storage/tables.ts'
import { mergedNeeds, readDevcontainer, type Template, toNeeds } from './template.ts'
import * as store from './templates.store.ts'

export type NewTemplate = BodyOf<typeof createTemplate>
export type TemplateChange = BodyOf<typeof updateTemplate>

/** Templates of workspaces. Everybody sees and uses them; their owners and administrators change them. */
export class Templates {
  readonly #storage: Storage
  readonly #access: Access
  readonly #clock: Clock

  constructor(storage: Storage, access: Access, clock: Clock) {
    this.#storage = storage
    this.#access = access
    this.#clock = clock
  }

  async list(asker: Asker<Person>): Promise<Template[]> {
    return this.#access.check(asker, 'template.list', instance, () => store.listTemplates(this.#storage.db))
  }

  async create(asker: Asker<Person>, wish: NewTemplate): Promise<Template> {
    return this.#access.perform(asker, 'template.create', instance, async (tx) => {
      const needs = toNeeds(await wishedNeeds(wish))
      if ((await store.listTemplates(tx)).length >= limits.templates) throw new AppError('template.limit')
      const id = newId('tpl')
      const now = this.#clock.now().getTime()
      await orNameTaken(() =>
        store.insertTemplate(tx, {
          id,
          owner_id: asker.caller.accountId,
          name: wish.name,
          name_key: nameKey(wish.name),
          description: wish.description ?? '',
          needs: JSON.stringify(needs),
          created_at: now,
          updated_at: now,
        }),
      )
      const result = (await store.findTemplate(tx, id))!
      return { result, record: { target: targetOf(result) } }
    })
  }

  async update(asker: Asker<Person>, id: string, change: TemplateChange): Promise<Template> {
    return this.#access.perform(asker, 'template.update', instance, async (tx) => {
      const before = await findOwn(tx, asker, id)
      const { name = before.name, description = before.description } = change
      const hasNeeds = change.needs !== undefined || change.devcontainer !== undefined
      const needs = hasNeeds ? toNeeds(await wishedNeeds(change)) : before.needs
      const changed = [
        ...(name === before.name ? [] : ['name']),
        ...(description === before.description ? [] : ['description']),
        ...(JSON.stringify(needs) === JSON.stringify(before.needs) ? [] : ['needs']),
      ]
      if (changed.length === 0) return { result: before, record: null }
      await orNameTaken(() =>
        store.updateTemplate(tx, id, {
          name,
          name_key: nameKey(name),
          description,
          needs: JSON.stringify(needs),
          updated_at: this.#clock.now().getTime(),
        }),
      )
      const result = (await store.findTemplate(tx, id))!
      return { result, record: { changed, target: targetOf(result) } }
    })
  }

  async delete(asker: Asker<Person>, id: string): Promise<void> {
    await this.#access.perform(asker, 'template.delete', instance, async (tx) => {
      const before = await findOwn(tx, asker, id)
      await store.deleteTemplate(tx, id)
      return { result: undefined, record: { target: targetOf(before) } }
    })
  }
}

/** Whether somebody may change it. */
export const isTheirs = ({ owner }: Template, { accountId, role }: Person): boolean =>
  role === 'admin' || owner.id === accountId

/** @throws AppError `template.not_found`, also for another's. */
async function findOwn(tx: Transaction, { caller }: Asker<Person>, id: string): Promise<Template> {
  const ownerId = caller.role === 'admin' ? undefined : caller.accountId
  if (!(await store.lockTemplate(tx, id, ownerId))) throw new AppError('template.not_found')
  return (await store.findTemplate(tx, id))!
}

async function wishedNeeds({ needs = [], devcontainer }: TemplateChange) {
  // First by themselves, so that the field that is named is the one of the request.
  toNeeds(needs)
  const fromFile = devcontainer === undefined ? [] : await readDevcontainer(devcontainer)
  const all = mergedNeeds(fromFile, needs)
  if (all.length > limits.needsPerTemplate)
    throw invalidField('needs', `are more than ${limits.needsPerTemplate}`)
  return all
}

const targetOf = ({ id, name }: Template) => ({ kind: 'template', id, name })

async function orNameTaken(write: () => Promise<void>): Promise<void> {
  try {
    await write()
  } catch (error) {
    throw violatedUnique(error) ? new AppError('template.name_taken', {}, error) : error
  }
}
