import type { WorkspaceVariables } from '@keyhold/contract/api/deliveries'
import { type Access, inWorkspace } from '../../access/access.ts'
import type { Asker, Person } from '../../access/caller.ts'
import type { DeliveredWorkspace } from '../../workspaces/workspace.ts'
import type { Offer } from '../offer.ts'
import { type Placement, place, toVariables } from './delivery.ts'

/** What the delivery needs of workspaces, and of the kinds whose secrets go there. None of these decides anything. */
export interface DeliverySources {
  /** @throws AppError `workspace.not_found` */
  findWorkspace(workspaceId: string): Promise<DeliveredWorkspace>
  workspaceOffers(workspace: DeliveredWorkspace): Promise<readonly Offer[]>
  /** What an environment of a project has itself, and what it takes from `All`. */
  projectOffers(
    projectId: string,
    environmentId: string,
  ): Promise<{ readonly own: readonly Offer[]; readonly fromAll: readonly Offer[] }>
  personalOffers(workspace: DeliveredWorkspace): Promise<readonly Offer[]>
}

/** What workspaces get, of whatever kind. */
export class Deliveries {
  readonly #access: Access
  readonly #sources: DeliverySources

  constructor(access: Access, sources: DeliverySources) {
    this.#access = access
    this.#sources = sources
  }

  /** Names and places, no values. */
  async variables(asker: Asker<Person>, workspaceId: string): Promise<WorkspaceVariables> {
    return this.#access.check(asker, 'workspace.variables', inWorkspace(workspaceId), async () => {
      const workspace = await this.#sources.findWorkspace(workspaceId)
      const unavailable = workspace.environments.filter(({ isAvailable }) => !isAvailable)
      return toVariables(await this.#place(workspace), unavailable)
    })
  }

  /**
   * In the order in which they count (acceptance C3): the workspace's, those of the linked environments in their order,
   * what these take from `All`, the owner's.
   */
  async #place(workspace: DeliveredWorkspace): Promise<Placement> {
    const linked = []
    for (const { id, projectId, isAvailable } of workspace.environments)
      if (isAvailable) linked.push(await this.#sources.projectOffers(projectId, id))
    const offers = [
      ...(await this.#sources.workspaceOffers(workspace)),
      ...linked.flatMap(({ own }) => own),
      ...linked.flatMap(({ fromAll }) => fromAll),
      ...(await this.#sources.personalOffers(workspace)),
    ]
    // Two environments of one project take the same secrets from `All`.
    return place([...new Map(offers.map((offer) => [offer.id, offer])).values()])
  }
}
