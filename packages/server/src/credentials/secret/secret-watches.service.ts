import type { Readable } from 'node:stream'
import { limits } from '@keyhold/contract/limits'
import { type Access, inProject } from '../../access/access.ts'
import type { Asker, Machine, Person } from '../../access/caller.ts'
import { AppError } from '../../base/app-error.ts'
import type { Clock } from '../../base/clock.ts'
import { fingerprint } from '../../base/ids.ts'
import { ALL, nameKey } from '../../projects/project.ts'
import type { Storage } from '../../storage/storage.ts'
import * as store from './secret.store.ts'
import { listOverrideStates, type OverrideState } from './secret-override.store.ts'
import { SecretWatch, type WatchSubject } from './secret-watch.ts'

const TICK_MS = 1_000
/** Under the half minute after which proxies and routers forget a silent connection. */
const HEARTBEAT_TICKS = 15
/** How often all is looked at anyway: for changes that nobody told, as of a session that was idle for too long. */
const SWEEP_TICKS = 30
/** The same while changes at other servers are not told. */
const DEAF_SWEEP_TICKS = 1
/** Projects that are looked at together, and callers in each: watching must leave connections to the database to others. */
const LOOKS_MAX = 2
const CHECKS_MAX = 3
/** What somebody waits who may not open another stream. */
const FULL_RETRY_SECONDS = 60

/**
 * Streams that tell when what somebody gets of a project may have changed. A change costs one query for all who watch the
 * project, and for each of them what a request costs to be let in; while nothing changes, there is one timer for all.
 */
export class SecretWatches {
  readonly #storage: Storage
  readonly #access: Access
  readonly #clock: Clock
  readonly #watches = new Map<string, Set<SecretWatch>>()
  /** Streams by caller. */
  readonly #counts = new Map<string, number>()
  #size = 0
  /** Projects to look at, and those that are being looked at. */
  readonly #due = new Set<string>()
  readonly #looking = new Set<string>()
  #timer: NodeJS.Timeout | undefined
  #ticks = 0
  #isStopped = false

  constructor(storage: Storage, access: Access, clock: Clock) {
    this.#storage = storage
    this.#access = access
    this.#clock = clock
  }

  /** How many streams are open. */
  get size(): number {
    return this.#size
  }

  /**
   * Opens a stream of server-sent events, the first of which comes at once.
   * @param isStillAdmitted is asked after each change of the project or the account, and ends the stream with a no.
   * @throws AppError `environment.not_found`; `rate.limited` when too many are open.
   */
  async open(
    asker: Asker<Person | Machine>,
    projectId: string,
    environment: string | undefined,
    isStillAdmitted: () => Promise<boolean>,
  ): Promise<Readable> {
    const { caller } = asker
    const scope = inProject(projectId, environment === undefined ? {} : { environment })
    const isPerson = caller.kind === 'person'
    const watch = new SecretWatch({
      projectId,
      environmentKey: nameKey(environment ?? ALL),
      callerId: isPerson ? caller.accountId : caller.accessKeyId,
      isPerson,
      expiresAt: isPerson ? caller.credential.expiresAt : caller.expiresAt,
      isStillAdmitted: async () =>
        (await isStillAdmitted()) && this.#access.permits(asker, 'secret.watch', scope),
    })
    // Before anything is read: a change that comes meanwhile is told.
    this.#add(watch)
    try {
      const version = await this.#access.check(asker, 'secret.watch', scope, () => this.#firstVersion(watch))
      if (!watch.isBegun) watch.tell(version)
    } catch (error) {
      watch.events.destroy()
      throw error
    }
    if (this.#isStopped) watch.finish()
    return watch.events
  }

  /** Ends all streams, and those to come after their first event, so that a server which stops waits for none. */
  stop(): void {
    this.#isStopped = true
    for (const watch of this.#all()) watch.finish()
  }

  async #firstVersion({ subject }: SecretWatch): Promise<string> {
    const version = (await this.#readVersions(subject.projectId, [subject]))(subject)
    if (version === undefined) throw new AppError('environment.not_found')
    // `!`: counted since it was added.
    if (this.#counts.get(subject.callerId)! > limits.watchesPerCaller)
      throw new AppError('rate.limited', {
        detail: `At most ${limits.watchesPerCaller} streams are open for one caller`,
        retryAfterSeconds: FULL_RETRY_SECONDS,
      })
    if (this.#size > limits.watchesPerServer)
      throw new AppError('rate.limited', {
        detail: `This server has ${limits.watchesPerServer} streams open, and takes no more`,
        retryAfterSeconds: FULL_RETRY_SECONDS,
      })
    return version
  }

  #add(watch: SecretWatch): void {
    const { projectId, callerId } = watch.subject
    this.#watches.set(projectId, (this.#watches.get(projectId) ?? new Set()).add(watch))
    this.#size += 1
    this.#counts.set(callerId, (this.#counts.get(callerId) ?? 0) + 1)
    watch.events.once('close', () => this.#remove(watch))
    if (this.#timer) return
    this.#storage.changes.listen((id) => this.#changed(id))
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
    this.#timer.unref()
  }

  #remove(watch: SecretWatch): void {
    const { projectId, callerId } = watch.subject
    const watches = this.#watches.get(projectId)
    watches?.delete(watch)
    if (watches?.size === 0) this.#watches.delete(projectId)
    const left = this.#counts.get(callerId)! - 1 // `!`: counted by #add.
    if (left === 0) this.#counts.delete(callerId)
    else this.#counts.set(callerId, left)
    this.#size -= 1
    if (this.#size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  *#all(): Iterable<SecretWatch> {
    for (const watches of this.#watches.values()) yield* watches
  }

  /** @param id of a project or account; undefined: nobody knows which. */
  #changed(id: string | undefined): void {
    if (id === undefined) this.#look(this.#watches.keys())
    else if (this.#watches.has(id)) this.#look([id])
    else for (const { subject } of this.#all()) if (subject.callerId === id) this.#look([subject.projectId])
  }

  #tick(): void {
    this.#ticks += 1
    const now = this.#clock.now()
    const isHeartbeat = this.#ticks % HEARTBEAT_TICKS === 0
    for (const watch of this.#all()) {
      const { expiresAt } = watch.subject
      if (expiresAt && expiresAt <= now) watch.end()
      else if (isHeartbeat) watch.beat()
    }
    const sweepTicks = this.#storage.changes.isHearing ? SWEEP_TICKS : DEAF_SWEEP_TICKS
    // In any case: what could not be looked at because the database was away is still due.
    this.#look(this.#ticks % sweepTicks === 0 ? this.#watches.keys() : [])
  }

  /** Looks at projects; changes that come while one is looked at are one more look together. */
  #look(projectIds: Iterable<string>): void {
    for (const projectId of projectIds) this.#due.add(projectId)
    while (this.#looking.size < LOOKS_MAX) {
      const projectId = this.#nextDue()
      if (projectId === undefined) return
      this.#due.delete(projectId)
      this.#looking.add(projectId)
      void this.#lookAt(projectId).then(
        () => {
          this.#looking.delete(projectId)
          this.#look([])
        },
        () => {
          // The database cannot be asked now: with the next tick. Requests tell the operator so.
          this.#looking.delete(projectId)
          this.#due.add(projectId)
        },
      )
    }
  }

  #nextDue(): string | undefined {
    for (const projectId of this.#due) if (!this.#looking.has(projectId)) return projectId
    return undefined
  }

  /** @returns the version for each; undefined where its environment is not there. */
  async #readVersions(
    projectId: string,
    subjects: readonly WatchSubject[],
  ): Promise<(subject: WatchSubject) => string | undefined> {
    const { db } = this.#storage
    const people = new Set(subjects.flatMap(({ isPerson, callerId }) => (isPerson ? [callerId] : [])))
    const state = await store.readProjectState(db, projectId)
    const overrides = await listOverrideStates(db, projectId, [...people])
    const wanted = new Set(subjects.map(({ environmentKey }) => environmentKey))
    const present = state.environments.filter(({ key }) => wanted.has(key))
    const versions = new Map(present.map(({ key }) => [key, versionOf(state, key)]))
    return (subject) => {
      const version = versions.get(subject.environmentKey)
      return version === undefined ? undefined : withOwn(version, state, overrides, subject)
    }
  }

  async #lookAt(projectId: string): Promise<void> {
    const watches = [...(this.#watches.get(projectId) ?? [])]
    if (watches.length === 0) return
    const versionFor = await this.#readVersions(
      projectId,
      watches.map(({ subject }) => subject),
    )
    const waiting = watches.values()
    const check = async () => {
      for (const watch of waiting) {
        if (watch.isOver) continue
        const version = versionFor(watch.subject)
        // Without an environment, which was deleted or has another name: who asks again is told so.
        if (version === undefined || !(await watch.subject.isStillAdmitted())) watch.end()
        else watch.tell(version)
      }
    }
    await Promise.all(Array.from({ length: CHECKS_MAX }, check))
  }
}

/** The version with the person's own values in it: of the environment, and of `All`. */
function withOwn(
  version: string,
  { environments }: store.ProjectState,
  overrides: readonly OverrideState[],
  { callerId, environmentKey }: WatchSubject,
): string {
  const allKey = environments.find(({ isAll }) => isAll)?.key
  const own = overrides.filter(
    (one) =>
      one.accountId === callerId && (one.environmentKey === environmentKey || one.environmentKey === allKey),
  )
  if (own.length === 0) return version
  return fingerprint(JSON.stringify([version, own.map(({ id, version }) => [id, version])]))
}

/**
 * One version of what an environment delivers. Where one of its secrets refers to others, any of the project's may be
 * meant, by the name of its environment, and all of them count.
 */
function versionOf({ environments, secrets }: store.ProjectState, environmentKey: string): string {
  const allKey = environments.find(({ isAll }) => isAll)?.key
  const own = secrets.filter((secret) => secret.environmentKey === environmentKey)
  const ownNames = new Set(own.map(({ name }) => name))
  const inherited = secrets.filter((secret) => secret.environmentKey === allKey && !ownNames.has(secret.name))
  const delivered = environmentKey === allKey ? own : [...own, ...inherited]
  const refers = delivered.some(({ hasReferences }) => hasReferences)
  const parts = refers
    ? secrets.map(({ id, name, type, version, environmentKey }) => [id, name, type, version, environmentKey])
    : delivered.map(({ id, name, type, version }) => [id, name, type, version])
  // Ids are random, so nobody can find a name by trying.
  return fingerprint(JSON.stringify(parts))
}
