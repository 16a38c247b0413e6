// What the workspace has of outside stores. It was fetched when the agent began, and is in memory as long as the agent runs.
import { limits } from '@keyhold/contract/limits'
import { pathVariable } from '@keyhold/contract/names'
import type { CallAnswer } from '@keyhold/sdk'

type Delivered = CallAnswer<'agent.start'>['secrets'][number]
type LeftOut = Pick<CallAnswer<'agent.delivery'>['leftOut'][number], 'name' | 'reason'>

/** Bytes of `NAME=value` with the NUL after it, as the kernel counts them (execve(2)). */
const entryBytes = ({ name, type, path, value }: Delivered): number =>
  name === null ? 0 : Buffer.byteLength(`${name}=${type === 'file' ? path : value}`) + 1

/**
 * Of what comes of stores, that which nothing goes before (acceptance C3: stores count last), as far as it fits into the
 * environment of a process.
 */
export function besideOthers(
  others: readonly Delivered[],
  fromStores: readonly Delivered[],
): { readonly secrets: readonly Delivered[]; readonly leftOut: readonly LeftOut[] } {
  const taken = new Set(
    others.flatMap(({ name, type }) =>
      name === null ? [] : type === 'key' ? [name, pathVariable(name)] : [name],
    ),
  )
  let bytes = others.reduce((sum, one) => sum + entryBytes(one), 0)
  const secrets: Delivered[] = []
  const leftOut: LeftOut[] = []
  for (const secret of fromStores) {
    if (secret.name === null || taken.has(secret.name)) continue
    if (bytes + entryBytes(secret) > limits.variablesBytes) {
      leftOut.push({ name: secret.name, reason: 'too-large' })
      continue
    }
    bytes += entryBytes(secret)
    secrets.push(secret)
  }
  return { secrets, leftOut }
}
