import type { readDelivery, WorkspaceVariables } from '@keyhold/contract/api/deliveries'
import type { SecretValue, UnresolvedSecret } from '@keyhold/contract/api/secrets'
import type { AnswerOf } from '@keyhold/contract/route'
import { type Access, inWorkspace } from '../../access/access.ts'
import type { Asker, Person, WorkspaceAgent } from '../../access/caller.ts'
import { hashToken } from '../../base/ids.ts'
import type { Admitted } from '../../workspaces/visitor-pass.ts'
import type { DeliveredWorkspace, LinkedEnvironment } from '../../workspaces/workspace.ts'
import type { Offer } from '../offer.ts'
import type { DeliveredSecret } from '../targeted-secret.ts'
import { type Placement, place, type StoreVariable, toVariables } from './delivery.ts'

/** What the delivery needs of workspaces, and of the kinds whose secrets go there. None of these decides anything. */
export interface DeliverySources {
  /** @throws AppError `workspace.not_found` */
  findWorkspace(workspaceId: string): Promise<DeliveredWorkspace>
  readPass(pass: string): Admitted | undefined
  /** @returns whoever has this key, as long as it lets them in. */
  findByKey(accountId: string, fingerprint: string): Promise<Person | undefined>
  workspaceOffers(workspace: DeliveredWorkspace): Promise<readonly Offer[]>
  /** What an environment of a project has itself, and what it takes from `All`. */
  projectOffers(
    linked: LinkedEnvironment,
  ): Promise<{ readonly own: readonly Offer[]; readonly fromAll: readonly Offer[] }>
  personalOffers(workspace: DeliveredWorkspace): Promise<readonly Offer[]>
  /** What is fetched from outside stores at the start. */
  storeVariables(workspaceId: string): Promise<readonly StoreVariable[]>
  /** Another text as soon as what references of the project stand for may be another. */
  projectState(projectId: string): Promise<string>
  /* These decide, record, and only then open. */
  deliverWorkspace(
    asker: Asker<WorkspaceAgent>,
    ids: ReadonlySet<string>,
  ): Promise<readonly DeliveredSecret[]>
  deliverPersonal(asker: Asker<WorkspaceAgent>, ids: ReadonlySet<string>): Promise<readonly DeliveredSecret[]>
  deliverProject(
    asker: Asker<WorkspaceAgent>,
    projectId: string,
    environment: string,
    ids: ReadonlySet<string>,
  ): Promise<{
    readonly values: ReadonlyMap<string, SecretValue>
    readonly unresolved: readonly UnresolvedSecret[]
    readonly referenced: readonly SecretValue[]
  }>
}

type Delivery = AnswerOf<typeof readDelivery>
type Text = Pick<SecretValue, 'value' | 'encoding'>

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
      const fromStores = await this.#sources.storeVariables(workspaceId)
      return toVariables(await this.#place(workspace), unavailable, fromStores)
    })
  }

  /**
   * In the order in which they count (acceptance C3): the workspace's, those of the linked environments in their order,
   * what these take from `All`, the owner's.
   */
  async #place(workspace: DeliveredWorkspace): Promise<Placement> {
    const linked = []
    for (const environment of workspace.environments)
      if (environment.isAvailable) linked.push(await this.#sources.projectOffers(environment))
    const offers = [
      ...(await this.#sources.workspaceOffers(workspace)),
      ...linked.flatMap(({ own }) => own),
      ...linked.flatMap(({ fromAll }) => fromAll),
      ...(await this.#sources.personalOffers(workspace)),
    ]
    // Two environments of one project take the same secrets from `All`.
    const known = new Set<string>()
    return place(offers.filter(({ id }) => !known.has(id) && known.add(id)))
  }

  /**
   * Everything that the workspace gets at this moment. Each kind decides and records its own before it opens a value.
   * @param have the version that the agent has: then nothing leaves, and nothing is recorded.
   */
  async deliver(asker: Asker<WorkspaceAgent>, have: string | undefined): Promise<Delivery> {
    const { workspaceId } = asker.caller
    const placement = await this.#access.check(asker, 'agent.deliver', inWorkspace(workspaceId), async () =>
      this.#place(await this.#sources.findWorkspace(workspaceId)),
    )
    const version = await this.#version(placement)
    const nothing = { secrets: [], leftOut: [], referenced: [] }
    if (have === version) return { version, isUnchanged: true, ...nothing }
    const values = new Map<string, Text>()
    const leftOut = placement.tooLarge.map(({ variable }) => ({ name: variable, reason: 'too-large' }))
    const referenced: Text[] = []
    const idsOf = (isMeant: (offer: Offer) => boolean) =>
      new Set(placement.placed.flatMap(({ offer }) => (isMeant(offer) ? [offer.id] : [])))
    for (const [kind, deliver] of [
      ['workspace', this.#sources.deliverWorkspace],
      ['personal', this.#sources.deliverPersonal],
    ] as const) {
      const ids = idsOf(({ source }) => source.kind === kind)
      if (ids.size === 0) continue
      for (const { id, value, encoding } of await deliver(asker, ids))
        values.set(id, { value: Buffer.from(value.reveal()).toString(encoding), encoding })
    }
    for (const { projectId, environment } of linksOf(placement)) {
      const ids = idsOf(({ link }) => link?.projectId === projectId && link.environment === environment)
      const found = await this.#sources.deliverProject(asker, projectId, environment, ids)
      for (const [id, value] of found.values) values.set(id, value)
      for (const { name, reference, reason } of found.unresolved)
        leftOut.push({ name, reason: `\${${reference}}: ${reason}` })
      referenced.push(...found.referenced)
    }
    const secrets = placement.placed.flatMap(({ offer, variable, fileVariable, path }) => {
      const found = values.get(offer.id)
      if (!found) return []
      const { value, encoding } = found
      return [{ name: variable ?? fileVariable, type: offer.type, path, value, encoding }]
    })
    return {
      version,
      isUnchanged: false,
      secrets,
      leftOut,
      referenced: referenced.map(({ value, encoding }) => ({ value, encoding })),
    }
  }

  /**
   * Records all that a session by SSH is about to get, by the name of whoever it is of. Each kind decides once more.
   * @returns the version of what was recorded. @throws AppError `agent.pass_invalid`
   */
  async beginSession(asker: Asker<WorkspaceAgent>, pass: string): Promise<{ version: string }> {
    const visitor = await this.#findVisitor(asker, pass)
    if (!visitor) throw await this.#access.refuse(asker, 'agent.deliver', 'agent.pass_invalid')
    const caller = { ...asker.caller, visitor: visitor.caller }
    const { version } = await this.deliver({ caller, origin: visitor.origin }, undefined)
    return { version }
  }

  /** @returns who came in by SSH, if they may still be there as what they came in as. */
  async #findVisitor(
    { caller, origin }: Asker<WorkspaceAgent>,
    pass: string,
  ): Promise<Asker<Person> | undefined> {
    const admitted = this.#sources.readPass(pass)
    if (admitted?.workspaceId !== caller.workspaceId || admitted.epoch !== caller.epoch) return undefined
    const { accountId, fingerprint, address, level } = admitted
    const person = await this.#sources.findByKey(accountId, fingerprint)
    if (!person) return undefined
    const visitor = { caller: person, origin: { ...origin, address } }
    const permit = await this.#access.permit(visitor, 'ssh.connect', inWorkspace(caller.workspaceId))
    return permit?.level === level ? visitor : undefined
  }

  /** Names a placement: another one as soon as anything of it is another. */
  async #version(placement: Placement): Promise<string> {
    const parts = placement.placed.map(({ offer, ...places }) => [
      offer.id,
      offer.version,
      offer.type,
      places,
    ])
    const projects = new Set(
      placement.placed.flatMap(({ offer: { link } }) => (link?.hasReferences ? [link.projectId] : [])),
    )
    const states = []
    for (const id of projects) states.push(await this.#sources.projectState(id))
    const left = placement.tooLarge.map(({ variable, bytes }) => [variable, bytes])
    return hashToken(JSON.stringify([parts, states, left])).toString('hex')
  }
}

/** The linked environments that something of the placement is from, each once. */
function linksOf({ placed }: Placement): { projectId: string; environment: string }[] {
  const links = placed.flatMap(({ offer: { link } }) => (link ? [link] : []))
  return [...new Map(links.map((link) => [`${link.projectId} ${link.environment}`, link])).values()]
}
