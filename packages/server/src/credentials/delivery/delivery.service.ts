import type {
  beginSession,
  readDelivery,
  reportApplied,
  WorkspaceVariables,
} from '@keyhold/contract/api/deliveries'
import type { SecretValue, UnresolvedSecret } from '@keyhold/contract/api/secrets'
import type { WorkspaceNeeds } from '@keyhold/contract/api/templates'
import type { AnswerOf, BodyOf } from '@keyhold/contract/route'
import { type Access, inWorkspace, type RecordDetail } from '../../access/access.ts'
import type { Asker, Person, WorkspaceAgent } from '../../access/caller.ts'
import type { Clock } from '../../base/clock.ts'
import { hashToken } from '../../base/ids.ts'
import type { Transaction } from '../../storage/tables.ts'
import type { NeedsOfWorkspace } from '../../workspaces/template.ts'
import type { Admitted } from '../../workspaces/visitor-pass.ts'
import type {
  Applied,
  AppliedItem,
  DeliveredWorkspace,
  LinkedEnvironment,
} from '../../workspaces/workspace.ts'
import type { Offer } from '../offer.ts'
import type { DeliveredSecret } from '../targeted-secret.ts'
import {
  effectsOf,
  type Placement,
  place,
  type StoreVariable,
  storeUseRecord,
  toVariables,
  useRecord,
} from './delivery.ts'

/** Keeps the deliveries of one workspace from filling the log. */
export interface DeliveryBounds {
  /** @throws AppError `rate.limited` */
  admit(workspaceId: string, records: number): void
  note(workspaceId: string, records: number): void
  /** One after another of the same name. */
  inTurn<T>(name: string, deliver: () => Promise<T>): Promise<T>
}

/** What the delivery needs of workspaces, and of the kinds whose secrets go there. None of these decides anything. */
export interface DeliverySources {
  /** @throws AppError `workspace.not_found` */
  findWorkspace(workspaceId: string): Promise<DeliveredWorkspace>
  readPass(pass: string): Admitted | undefined
  /** Whether somebody is still in by that session. */
  isOpen(workspaceId: string, sessionId: string): Promise<boolean>
  /** @returns whoever has this key, as long as it lets them in. */
  findByKey(accountId: string, fingerprint: string): Promise<Person | undefined>
  workspaceOffers(workspace: DeliveredWorkspace): Promise<readonly Offer[]>
  /** What an environment of a project has itself, and what it takes from `All`. */
  projectOffers(
    linked: LinkedEnvironment,
    ownerId: string,
  ): Promise<{ readonly own: readonly Offer[]; readonly fromAll: readonly Offer[] }>
  personalOffers(workspace: DeliveredWorkspace): Promise<readonly Offer[]>
  /** What its template said that it needs. */
  needsOf(workspaceId: string): Promise<NeedsOfWorkspace | undefined>
  /** What is fetched from outside stores at the start. */
  storeVariables(workspaceId: string): Promise<readonly StoreVariable[]>
  /** @returns those of the names that variables of its stores can have. */
  possibleStoreNames(workspaceId: string, names: Iterable<string>): Promise<ReadonlySet<string>>
  /** Decides, and records what the agent has of stores. @returns what was recorded. */
  recordStoreUse(asker: Asker<WorkspaceAgent>, names: Iterable<string>): Promise<string[]>
  /** Another text as soon as what references of the project stand for may be another. */
  projectState(projectId: string): Promise<string>
  findApplied(workspaceId: string): Promise<(Applied & { readonly at: Date }) | undefined>
  /** Decides and records. */
  apply(asker: Asker<WorkspaceAgent>, applied: Applied | undefined): Promise<void>
  /* These decide, record, and only then open. */
  deliverWorkspace(
    asker: Asker<WorkspaceAgent>,
    ids: ReadonlySet<string>,
  ): Promise<readonly DeliveredSecret[]>
  deliverPersonal(asker: Asker<WorkspaceAgent>, ids: ReadonlySet<string>): Promise<readonly DeliveredSecret[]>
  /** Own values of the owner's for secrets of a project. */
  deliverOverrides(
    asker: Asker<WorkspaceAgent>,
    projectId: string,
    ids: ReadonlySet<string>,
  ): Promise<readonly Pick<DeliveredSecret, 'id' | 'value' | 'encoding'>[]>
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

/** A look-up of names that were used, as reports of use ask for it. */
interface Usable {
  find(tx: Transaction, names: ReadonlySet<string>): Promise<ReadonlyMap<string, RecordDetail>>
}

/** Somebody in a session by SSH. */
interface Inside {
  readonly visitor: Asker<Person>
  readonly level: Admitted['level']
  readonly sessionId: string
}

/** What was recorded of one session by SSH. */
interface Recorded {
  readonly versions: Set<string>
  readonly storeVariables: Set<string>
}

/** Of so many sessions is kept what was recorded; of one that is forgotten it is recorded again. */
const SESSIONS_REMEMBERED = 10_000

type Delivery = AnswerOf<typeof readDelivery>
type Text = Pick<SecretValue, 'value' | 'encoding'>

/** What workspaces get, of whatever kind. */
export class Deliveries {
  readonly #access: Access
  readonly #sources: DeliverySources
  readonly #bounds: DeliveryBounds
  readonly #clock: Clock
  /** By session; each server has its own. */
  readonly #recorded = new Map<string, Recorded>()

  constructor(access: Access, sources: DeliverySources, bounds: DeliveryBounds, clock: Clock) {
    this.#access = access
    this.#sources = sources
    this.#bounds = bounds
    this.#clock = clock
  }

  /** Names and places, no values. */
  async variables(asker: Asker<Person>, workspaceId: string): Promise<WorkspaceVariables> {
    return this.#access.check(asker, 'workspace.variables', inWorkspace(workspaceId), async () => {
      const workspace = await this.#sources.findWorkspace(workspaceId)
      const unavailable = workspace.environments.filter(({ isAvailable }) => !isAvailable)
      const fromStores = await this.#sources.storeVariables(workspaceId)
      const placement = await this.#place(workspace)
      const { version, items } = await this.#identify(placement)
      const applied = await this.#sources.findApplied(workspaceId)
      return {
        // `!`: of what is placed.
        ...toVariables(placement, fromStores, (id) => effectsOf(items[id]!, applied?.items[id])),
        unavailable: unavailable.map(({ project, environment }) => ({ project, environment })),
        applied: applied ? { at: applied.at.toISOString(), isCurrent: applied.version === version } : null,
      }
    })
  }

  /** What the workspace needs, and what of it is there as far as is known before the start. */
  async needs(asker: Asker<Person>, workspaceId: string): Promise<WorkspaceNeeds> {
    return this.#access.check(asker, 'workspace.variables', inWorkspace(workspaceId), async () => {
      const found = await this.#sources.needsOf(workspaceId)
      const present = await this.variableNames(workspaceId)
      for (const { name, isAllowed } of await this.#sources.storeVariables(workspaceId))
        if (name !== null && isAllowed) present.add(name)
      return {
        template: found?.template || null,
        needs: (found?.needs ?? []).map((need) => ({ ...need, isPresent: present.has(need.name) })),
      }
    })
  }

  /** The variables that the workspace gets of what Keyhold keeps. Decides nothing. */
  async variableNames(workspaceId: string): Promise<Set<string>> {
    const { placed } = await this.#place(await this.#sources.findWorkspace(workspaceId))
    return new Set(
      placed
        .flatMap(({ variable, fileVariable }) => [variable, fileVariable])
        .filter((name) => name !== null),
    )
  }

  /**
   * Keeps what the agent says is in effect, if it is what there is now; else the agent has been told already that there is
   * something to fetch. @returns whether it is.
   */
  async report(
    asker: Asker<WorkspaceAgent>,
    { version, problems }: BodyOf<typeof reportApplied>,
  ): Promise<boolean> {
    if (version === null) {
      await this.#sources.apply(asker, undefined)
      return true
    }
    const { workspaceId } = asker.caller
    const current = await this.#access.check(asker, 'agent.apply', inWorkspace(workspaceId), async () =>
      this.#identify(await this.#place(await this.#sources.findWorkspace(workspaceId))),
    )
    if (current.version !== version) return false
    const problemOf = new Map(problems.map(({ secretId, problem }) => [secretId, problem]))
    const items = Object.entries(current.items).map(([id, item]): [string, AppliedItem] => {
      const problem = problemOf.get(id)
      return [id, problem === undefined ? item : { ...item, problem }]
    })
    await this.#sources.apply(asker, { version, items: Object.fromEntries(items) })
    return true
  }

  /** What programs of a workspace can have used: its variables, as reports name them. */
  async usable(asker: Asker<WorkspaceAgent>): Promise<Usable> {
    const { workspaceId } = asker.caller
    const { variables } = await this.#access.check(asker, 'secret.use', inWorkspace(workspaceId), async () =>
      this.#place(await this.#sources.findWorkspace(workspaceId)),
    )
    return {
      find: async (_, names) => {
        const fromStores = await this.#sources.possibleStoreNames(workspaceId, names)
        return new Map(
          [...names].flatMap((name): [string, RecordDetail][] => {
            const taken = variables.get(name)
            if (taken) return [[name, useRecord(taken.offer)]]
            return fromStores.has(name) ? [[name, storeUseRecord(name)]] : []
          }),
        )
      },
    }
  }

  /**
   * In the order in which they count (acceptance C3): the workspace's, those of the linked environments in their order,
   * what these take from `All`, the owner's. Own values come with the environments that they are for.
   */
  async #place(workspace: DeliveredWorkspace): Promise<Placement> {
    const linked = []
    for (const environment of workspace.environments)
      if (environment.isAvailable)
        linked.push(await this.#sources.projectOffers(environment, workspace.owner.id))
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
   * @throws AppError `rate.limited` before anything is recorded.
   */
  async deliver(asker: Asker<WorkspaceAgent>, have: string | undefined): Promise<Delivery> {
    return this.#deliverUnless(asker, (version) => version === have)
  }

  async #deliverUnless(
    asker: Asker<WorkspaceAgent>,
    isKnown: (version: string) => boolean,
  ): Promise<Delivery> {
    const { workspaceId } = asker.caller
    const placement = await this.#access.check(asker, 'agent.deliver', inWorkspace(workspaceId), async () =>
      this.#place(await this.#sources.findWorkspace(workspaceId)),
    )
    const { version } = await this.#identify(placement)
    const nothing = { now: this.#clock.now().toISOString(), secrets: [], leftOut: [], referenced: [] }
    if (isKnown(version)) return { version, isUnchanged: true, ...nothing }
    this.#bounds.admit(workspaceId, Math.max(1, placement.placed.length))
    const found = await this.#bounds.inTurn(workspaceId, () => this.#open(asker, placement))
    this.#bounds.note(workspaceId, found.referenced.length)
    return { ...nothing, version, isUnchanged: false, ...found }
  }

  /** The values of a placement. */
  async #open(
    asker: Asker<WorkspaceAgent>,
    placement: Placement,
  ): Promise<Pick<Delivery, 'secrets' | 'leftOut' | 'referenced'>> {
    const values = new Map<string, Text>()
    const leftOut = placement.tooLarge.map(({ variable, offer }) => ({
      secretId: offer.id,
      name: variable,
      reason: 'too-large',
    }))
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
    for (const projectId of new Set(linksOf(placement, 'override').map((link) => link.projectId))) {
      const ids = idsOf(({ source, link }) => source.kind === 'override' && link?.projectId === projectId)
      for (const { id, value, encoding } of await this.#sources.deliverOverrides(asker, projectId, ids))
        values.set(id, { value: Buffer.from(value.reveal()).toString(encoding), encoding })
    }
    for (const { projectId, environment } of linksOf(placement, 'project')) {
      const isHere = ({ source, link }: Offer) =>
        source.kind === 'project' && link?.projectId === projectId && link.environment === environment
      const ids = idsOf(isHere)
      const found = await this.#sources.deliverProject(asker, projectId, environment, ids)
      for (const [id, value] of found.values) values.set(id, value)
      for (const { name, reference, reason } of found.unresolved) {
        // `!`: one of those asked for.
        const { offer } = placement.placed.find(({ offer }) => isHere(offer) && offer.name === name)!
        leftOut.push({ secretId: offer.id, name, reason: `\${${reference}}: ${reason}` })
      }
      referenced.push(...found.referenced)
    }
    const secrets = placement.placed.flatMap(({ offer, variable, fileVariable, path }) => {
      const found = values.get(offer.id)
      if (!found) return []
      const { value, encoding } = found
      const { id, type } = offer
      const expiresAt = offer.expiresAt?.toISOString() ?? null
      return [{ id, name: variable ?? fileVariable, type, path, value, encoding, expiresAt }]
    })
    return {
      secrets,
      leftOut,
      referenced: referenced.map(({ value, encoding }) => ({ value, encoding })),
    }
  }

  /**
   * Records all that a session by SSH is about to get, by the name of whoever it is of: once for a way in and a version, and
   * as long as they are in. Each kind decides once more.
   * @returns what was recorded: the version, and which of the variables that the agent has of stores.
   * @throws AppError `agent.pass_invalid`
   */
  async beginSession(
    asker: Asker<WorkspaceAgent>,
    { pass, storeVariables: names = [] }: BodyOf<typeof beginSession>,
  ): Promise<AnswerOf<typeof beginSession>> {
    const found = await this.#findVisitor(asker, pass)
    if (!found) throw await this.#access.refuse(asker, 'agent.deliver', 'agent.pass_invalid')
    const { visitor, sessionId } = found
    const recorder = { caller: { ...asker.caller, visitor: visitor.caller }, origin: visitor.origin }
    // What another one of the same way in has is recorded before this one is answered.
    return this.#bounds.inTurn(sessionId, async () => {
      const { versions, storeVariables } = this.#recordedOf(sessionId)
      const fresh = names.filter((name) => !storeVariables.has(name))
      for (const name of await this.#sources.recordStoreUse(recorder, fresh)) storeVariables.add(name)
      const { version } = await this.#deliverUnless(recorder, (one) => versions.has(one))
      versions.add(version)
      return { version, storeVariables: [...new Set(names)].filter((name) => storeVariables.has(name)) }
    })
  }

  /**
   * Says who is told to have used something in a session by SSH.
   * @returns the agent alone when there is no pass, or nobody who is still in by it: what is told late is the workspace's.
   */
  async visitorOf(asker: Asker<WorkspaceAgent>, pass: string | undefined): Promise<Asker<WorkspaceAgent>> {
    const found = pass === undefined ? undefined : await this.#findAdmitted(asker, pass)
    if (!found) return asker
    return { caller: { ...asker.caller, visitor: found.visitor.caller }, origin: found.visitor.origin }
  }

  #recordedOf(sessionId: string): Recorded {
    const recorded = this.#recorded.get(sessionId) ?? { versions: new Set(), storeVariables: new Set() }
    // Those that were asked for last are forgotten last.
    this.#recorded.delete(sessionId)
    this.#recorded.set(sessionId, recorded)
    const [oldest] = this.#recorded.keys()
    if (this.#recorded.size > SESSIONS_REMEMBERED && oldest !== undefined) this.#recorded.delete(oldest)
    return recorded
  }

  /** @returns who is in by SSH, if they may still be as what they came in as. */
  async #findVisitor(asker: Asker<WorkspaceAgent>, pass: string): Promise<Inside | undefined> {
    const found = await this.#findAdmitted(asker, pass)
    if (!found) return undefined
    const scope = inWorkspace(asker.caller.workspaceId)
    const permit = await this.#access.permit(found.visitor, 'ssh.connect', scope)
    return permit?.level === found.level ? found : undefined
  }

  /** @returns who is in by SSH, with a key that still lets them in somewhere. */
  async #findAdmitted({ caller, origin }: Asker<WorkspaceAgent>, pass: string): Promise<Inside | undefined> {
    const admitted = this.#sources.readPass(pass)
    if (admitted?.workspaceId !== caller.workspaceId || admitted.epoch !== caller.epoch) return undefined
    const { accountId, fingerprint, address, level, sessionId, traceId } = admitted
    if (!(await this.#sources.isOpen(caller.workspaceId, sessionId))) return undefined
    const person = await this.#sources.findByKey(accountId, fingerprint)
    if (!person) return undefined
    return { visitor: { caller: person, origin: { ...origin, address, traceId } }, level, sessionId }
  }

  /** Names a placement, and each secret of it: another name as soon as anything of it is another. */
  async #identify({ placed, tooLarge }: Placement): Promise<Applied> {
    const states = new Map<string, string>()
    for (const { offer } of placed) {
      const { link } = offer
      if (link?.hasReferences && !states.has(link.projectId))
        states.set(link.projectId, await this.#sources.projectState(link.projectId))
    }
    const items = placed.map(({ offer, ...places }): [string, AppliedItem] => {
      const { id, version, type, link } = offer
      const state = link?.hasReferences ? states.get(link.projectId) : undefined
      return [id, { version, key: keyOf([type, places, state]) }]
    })
    const left = tooLarge.map(({ variable, bytes }) => [variable, bytes])
    // The agent has to know when something ends, though nothing of it is another by that.
    const ends = placed.map(({ offer }) => offer.expiresAt?.getTime())
    const version = hashToken(JSON.stringify([items, left, ends])).toString('hex')
    return { version, items: Object.fromEntries(items) }
  }
}

const keyOf = (parts: unknown): string => hashToken(JSON.stringify(parts)).toString('base64url').slice(0, 22)

/** The linked environments that something of the placement is from, each once. @param kind secrets or own values. */
function linksOf(
  { placed }: Placement,
  kind: 'project' | 'override',
): { projectId: string; environment: string }[] {
  const links = placed.flatMap(({ offer: { source, link } }) => (link && source.kind === kind ? [link] : []))
  return [...new Map(links.map((link) => [`${link.projectId} ${link.environment}`, link])).values()]
}
