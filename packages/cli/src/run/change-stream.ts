// Follows what the server says of changes, also past a no: a key may be activated again, and a credential of a platform
// lasts an hour.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Keyhold, KeyholdError } from '@keyhold/sdk'
import { failureOf } from '../client.ts'
import { Failure } from '../failure.ts'

/** After a no that a new credential does not change: asking fills the server's log. */
const REFUSED_RETRY_MS = 5 * 60_000
const RETRY_MS = 2_000

export interface Following {
  /** Asked before the first stream, and after one that was refused. @throws Failure, KeyholdError */
  readonly connect: () => Promise<{ keyhold: Keyhold; projectId?: string | undefined }>
  readonly environment: string | undefined
  /** Ends it. */
  readonly signal: AbortSignal
  readonly onVersion: (version: string) => void
  /** An attempt failed; more will follow. @param isNews false where the next one may well be let in. */
  readonly onTrouble: (failure: Failure, isNews: boolean) => void
}

/** Follows the changes until the signal. Never throws a Failure. */
export async function followChanges(following: Following): Promise<void> {
  const { connect, environment, signal, onVersion, onTrouble } = following
  let refusals = 0
  while (!signal.aborted) {
    try {
      const { keyhold, projectId } = await connect()
      const onInterrupted = ({ error }: { error: KeyholdError | undefined }) => {
        if (error) onTrouble(failureOf(error), true)
      }
      for await (const { version } of keyhold.watch({ projectId, environment, signal, onInterrupted })) {
        refusals = 0
        onVersion(version)
      }
    } catch (error) {
      if (signal.aborted) return
      const failure = error instanceof KeyholdError ? failureOf(error) : error
      if (!(failure instanceof Failure)) throw error
      refusals = failure.kind === 'unavailable' ? 0 : refusals + 1
      onTrouble(failure, refusals !== 1)
    }
    const longestMs = refusals > 1 ? REFUSED_RETRY_MS : RETRY_MS
    await sleep(longestMs * (0.5 + Math.random() / 2), undefined, { signal, ref: false }).catch(() => {})
  }
}
