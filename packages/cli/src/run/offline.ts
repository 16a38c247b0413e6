import { setTimeout as sleep } from 'node:timers/promises'
import type { MachineConnection } from '../connection.ts'
import { findCredentials } from '../credentials.ts'
import { Failure } from '../failure.ts'
import type { Delivery } from './delivery.ts'
import { type CopyOwner, OfflineStore, parsedAge, shownAge } from './offline-copy.ts'

/** How long Keyhold may take to answer before the copy is used. */
const PATIENCE_MS = 2_000

export interface OfflineOptions {
  readonly env: NodeJS.ProcessEnv
  readonly owner: CopyOwner
  /** How old a copy may be, as it was typed. */
  readonly maxAge: string | undefined
  /** Use the copy, and ask nobody. */
  readonly isOffline: boolean
  readonly note: (text: string) => void
}

/** Whose copy it is: the access key's, or the person's for a project. @throws Failure when nobody is signed in */
export function copyOwner(
  env: NodeJS.ProcessEnv,
  machine: MachineConnection | undefined,
  project: string | undefined,
  environment: string | undefined,
): CopyOwner {
  if (machine) {
    const { url, accessKeyId, accessKey } = machine
    return { url, credentialId: accessKeyId, credential: accessKey, project, environment }
  }
  const { connection, environment: settled } = findCredentials(env)
  const credential = ('token' in connection && connection.token) || ''
  return {
    url: connection.url,
    credentialId: 'person',
    credential,
    project,
    environment: environment ?? settled,
  }
}

/**
 * Gets a delivery from Keyhold and keeps a copy of it, or takes the copy where Keyhold cannot be reached. What Keyhold
 * itself refuses is refused, and ends the copy.
 *
 * @throws Failure
 */
export async function deliverWithCopy(
  options: OfflineOptions,
  fetch: (remark: string) => Promise<Delivery>,
): Promise<Delivery> {
  const { env, owner, maxAge, isOffline, note } = options
  const store = new OfflineStore(env, owner)
  const maxAgeMs = maxAge === undefined ? undefined : parsedAge(maxAge)
  const fromCopy = (why: string): Delivery | undefined => {
    const copy = store.read(maxAgeMs)
    if (copy) store.noteUse()
    if (copy) note(`${why}; using the copy of ${shownAge(Date.now() - copy.madeAt.getTime())} ago`)
    return copy?.delivery
  }
  if (isOffline) {
    const delivery = fromCopy('offline')
    if (delivery) return delivery
    throw new Failure('there is no offline copy of this', {
      hints: ['make one while Keyhold can be reached: keyhold run --max-age=12h -- COMMAND'],
    })
  }
  // The audit record repeats it: that there is a copy, and what was done with the one before.
  const uses = store.uses()
  const remark = ` (keeps a copy for ${maxAge}${uses && `; ${uses}`})`
  const fetching = fetch(remark).then(
    (delivery) => {
      // A copy that cannot be kept is no reason to throw away what was delivered.
      // `!`: without an age there is only --offline.
      tried(() => store.write(delivery, maxAgeMs!), note)
      return delivery
    },
    (error: unknown) => {
      if (error instanceof Failure && error.kind === 'refused') store.delete()
      throw error
    },
  )
  const impatient = sleep(PATIENCE_MS, 'late' as const, { ref: false })
  try {
    const first = await Promise.race([fetching, impatient])
    if (first === 'late') {
      // Nobody waits for it any more; when it still comes, it is the next copy.
      fetching.catch(() => {})
      const delivery = tried(() => fromCopy(`Keyhold does not answer within ${PATIENCE_MS / 1000} seconds`))
      if (delivery) return delivery
    }
    return await fetching
  } catch (error) {
    if (!(error instanceof Failure) || error.kind !== 'unavailable') throw error
    const delivery = explained(error, () => fromCopy(error.message))
    if (delivery) return delivery
    throw error
  }
}

/** A copy that is kept up to date while a command is watched. */
export interface KeptCopy {
  /** What the record of a delivery says of it, after the name of this program. */
  readonly remark: string
  keep(delivery: Delivery): void
  /** What Keyhold has refused is not kept. */
  delete(): void
}

export function keptCopy({ env, owner, maxAge, note }: OfflineOptions & { maxAge: string }): KeptCopy {
  const store = () => new OfflineStore(env, owner)
  return {
    remark: ` (keeps a copy for ${maxAge})`,
    keep: (delivery) => tried(() => store().write(delivery, parsedAge(maxAge)), note),
    delete: () => tried(() => store().delete(), note),
  }
}

/** Does what may fail without harm. @param tell is told why it failed, if anybody has to know. */
function tried<T>(work: () => T, tell: (why: string) => void = () => {}): T | undefined {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    tell(error.message)
    return undefined
  }
}

/** The copy; what is wrong with it is told beside what was wrong before. */
function explained(cause: Failure, read: () => Delivery | undefined): Delivery | undefined {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    const { exitCode } = cause
    throw new Failure(cause.message, { exitCode, hints: [error.message, ...error.hints, ...cause.hints] })
  }
}
