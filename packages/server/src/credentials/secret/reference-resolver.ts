import { isUtf8 } from 'node:buffer'
import { setImmediate } from 'node:timers/promises'
import type { UnresolvedReason } from '@keyhold/contract/api/secrets'
import { limits } from '@keyhold/contract/limits'
import { Secret } from '@keyhold/contract/secret'
import { nameKey } from '../../projects/project.ts'
import { parseParts, type Reference, shownReference } from './references.ts'
import type { SealedSecret } from './secret.ts'

/**
 * What each reference costs of the bytes of an answer, beside its value: one is four characters long, and millions of them
 * would keep the server busy for seconds.
 */
const REFERENCE_COST_BYTES = 64
/** After so long others have their turn. */
const TURN_MS = 20

/** A secret as an environment has it: what it refers to may be another there. */
export interface Reading {
  readonly secret: SealedSecret
  /** Unique form of the name of the environment that is read. */
  readonly environmentKey: string
}

/** Why a reading has no value. */
export interface Unresolved {
  /** Name of the secret in whose value the reference is. */
  readonly writtenIn: string
  readonly reference: string
  readonly reason: UnresolvedReason
}

/** Where the plan of a delivery comes from. Nothing of it opens a value. */
export interface ReferenceSource {
  /** The references of these versions, in the order of the secrets. */
  list(secrets: readonly SealedSecret[]): Promise<readonly (readonly Reference[])[]>
  /** What an environment delivers under a name. */
  find(environmentKey: string, name: string): Promise<SealedSecret | undefined>
  /** Whether the reader may read that environment. */
  mayRead(environmentKey: string): Promise<boolean>
}

interface Resolved {
  readonly value: Secret<Uint8Array>
  /** 0 without references, else one more than the furthest of those it refers to. */
  readonly depth: number
  readonly uses: readonly Reading[]
}

/**
 * Puts values in place of references, in two steps with the audit record between them: `plan` finds every secret whose
 * value may leave and opens none, `resolve` opens those and no others.
 */
export class ReferenceResolver {
  readonly #targets: ReadonlyMap<string, Reading | 'missing' | 'refused'>
  readonly #results = new Map<string, Resolved | Unresolved>()
  #bytes = 0
  #turnBegan = performance.now()

  private constructor(targets: ReadonlyMap<string, Reading | 'missing' | 'refused'>) {
    this.#targets = targets
  }

  static async plan(readings: readonly Reading[], source: ReferenceSource): Promise<ReferenceResolver> {
    const targets = new Map<string, Reading | 'missing' | 'refused'>()
    const seen = new Set<string>()
    let bytes = 0
    let level = readings.filter(({ secret }) => secret.hasReferences)
    while (level.length > 0) {
      const written = await source.list(level.map(({ secret }) => secret))
      const next: Reading[] = []
      for (const [i, reading] of level.entries()) {
        for (const reference of written[i] ?? []) {
          const { environmentKey, key } = targetOf(reading, reference)
          if (targets.has(key)) continue
          // What is left out here is "too large" when it is asked for.
          if (targets.size >= limits.referencesPerAnswer || bytes > limits.resolvedBytes) continue
          if (!(await source.mayRead(environmentKey))) {
            targets.set(key, 'refused')
            continue
          }
          const secret = await source.find(environmentKey, reference.name)
          targets.set(key, secret ? { secret, environmentKey } : 'missing')
          if (!secret) continue
          bytes += secret.sealed.length
          const found = { secret, environmentKey }
          if (!secret.hasReferences || seen.has(readingKey(found))) continue
          seen.add(readingKey(found))
          next.push(found)
        }
      }
      level = next
    }
    return new ReferenceResolver(targets)
  }

  /** Every secret that was found for a reference, each once: what the audit log has to name. */
  get planned(): SealedSecret[] {
    const secrets = [...this.#targets.values()].flatMap((target) =>
      typeof target === 'string' ? [] : [target.secret],
    )
    return [...new Map(secrets.map((secret) => [secret.id, secret])).values()]
  }

  /** The value with those it refers to in it, or why there is none. @param open opens what the plan has, under a grant. */
  async resolve(
    reading: Reading,
    open: (secret: SealedSecret) => Promise<Secret<Uint8Array>>,
  ): Promise<Secret<Uint8Array> | Unresolved> {
    const result = await this.#resolve(reading, open, new Set())
    return 'reason' in result ? result : result.value
  }

  /** What these readings use, directly and by way of others, with the values; those that have none are left out. */
  uses(readings: readonly Reading[]): { reading: Reading; value: Secret<Uint8Array> }[] {
    const found = new Map<string, { reading: Reading; value: Secret<Uint8Array> }>()
    const visit = (reading: Reading) => {
      const result = this.#results.get(readingKey(reading))
      if (!result || 'reason' in result) return
      for (const used of result.uses) {
        const key = readingKey(used)
        const value = this.#results.get(key)
        if (found.has(key) || !value || 'reason' in value) continue
        found.set(key, { reading: used, value: value.value })
        visit(used)
      }
    }
    readings.forEach(visit)
    return [...found.values()]
  }

  /** @param path the readings that led here: what leads back to one of them is a cycle. */
  async #resolve(
    reading: Reading,
    open: (secret: SealedSecret) => Promise<Secret<Uint8Array>>,
    path: ReadonlySet<string>,
  ): Promise<Resolved | Unresolved> {
    const key = readingKey(reading)
    const known = this.#results.get(key)
    if (known) return known
    const { secret } = reading
    const value = await open(secret)
    const result = secret.hasReferences
      ? await this.#fill(reading, value, open, new Set([...path, key]))
      : { value, depth: 0, uses: [] }
    this.#results.set(key, result)
    return result
  }

  async #fill(
    reading: Reading,
    template: Secret<Uint8Array>,
    open: (secret: SealedSecret) => Promise<Secret<Uint8Array>>,
    path: ReadonlySet<string>,
  ): Promise<Resolved | Unresolved> {
    const { secret } = reading
    if (performance.now() - this.#turnBegan > TURN_MS) {
      await setImmediate()
      this.#turnBegan = performance.now()
    }
    const parts = parseParts(Buffer.from(template.reveal()).toString('utf8'))
    // Only what parsed was stored as one.
    if ('invalidAt' in parts) return { writtenIn: secret.name, reference: '', reason: 'missing' }
    const pieces: Uint8Array[] = []
    // One reference may be written thousands of times: it is looked up once.
    const found = new Map<string, Uint8Array>()
    const uses: Reading[] = []
    let depth = 0
    let length = 0
    let reference = ''
    const fail = (reason: UnresolvedReason): Unresolved => ({ writtenIn: secret.name, reference, reason })
    const bytesMax = secret.type === 'file' ? limits.fileValueBytes : limits.valueBytes
    for (const part of parts) {
      let piece: Uint8Array
      if (typeof part === 'string') piece = Buffer.from(part)
      else {
        reference = shownReference(part)
        this.#bytes += REFERENCE_COST_BYTES
        const known = found.get(reference)
        if (known) piece = known
        else {
          const target = this.#targets.get(targetOf(reading, part).key)
          if (target === undefined) return fail('too-large')
          if (typeof target === 'string') return fail(target)
          if (path.has(readingKey(target))) return fail('cycle')
          const inner = await this.#resolve(target, open, path)
          if ('reason' in inner) return inner
          depth = Math.max(depth, inner.depth + 1)
          if (depth > limits.referenceDepth) return fail('too-deep')
          piece = inner.value.reveal()
          if (piece.includes(0) || !isUtf8(piece)) return fail('not-text')
          found.set(reference, piece)
          uses.push(target)
        }
      }
      length += piece.length
      this.#bytes += piece.length
      if (length > bytesMax || this.#bytes > limits.resolvedBytes) return fail('too-large')
      pieces.push(piece)
    }
    return { value: new Secret(Buffer.concat(pieces)), depth, uses }
  }
}

function readingKey({ secret, environmentKey }: Reading): string {
  return `${secret.id} ${secret.version} ${environmentKey}`
}

function targetOf(reading: Reading, { environment, name }: Reference) {
  const environmentKey = environment === undefined ? reading.environmentKey : nameKey(environment)
  return { environmentKey, key: `${environmentKey} ${name}` }
}
