import type { SecretSource } from '@keyhold/contract/api/secrets'
import { type Keyhold, KeyholdError } from '@keyhold/sdk'
import { connected, userAgent } from '../client.ts'
import { findProject } from '../commands/project/find-project.ts'
import { DEFAULT_ENVIRONMENT } from '../commands/secret/find-secret.ts'
import type { DeliveredSecret, Delivery, UnresolvedSecret } from './delivery.ts'

/** Requests at one time. A person gets one value per request, and each is recorded; a machine's key gets all at once. */
const REQUESTS_MAX = 8

/**
 * Gets the secrets of a project for a person, one value per request: the environment's own, what it takes from All, and in
 * place of those the person's own values.
 *
 * @throws Failure; then nothing is delivered
 */
export async function fetchPersonDelivery(
  env: NodeJS.ProcessEnv,
  project: string | undefined,
  environmentName: string | undefined,
  remark = '',
): Promise<Delivery> {
  // The first failure ends the requests that are still on their way.
  const end = new AbortController()
  const work = async (keyhold: Keyhold): Promise<Delivery> => {
    const environment = environmentName ?? keyhold.environment ?? DEFAULT_ENVIRONMENT
    const { id: projectId } = await findProject(keyhold, project)
    // Each name once: the server has chosen.
    const listed = await keyhold.call('secret.list', { params: { projectId }, query: { environment } })
    const reveal = async (secretId: string, from: string, source?: SecretSource): Promise<Revealed> => {
      const answer = await revealed(keyhold, projectId, secretId, from, end.signal)
      return 'refused' in answer || !source ? answer : { ...answer, secret: { ...answer.secret, source } }
    }
    try {
      const answers = await inParallel(listed.secrets, async ({ id, name, source }) => ({
        name,
        answer:
          source === 'override'
            ? await revealedOverride(keyhold, projectId, id, environment, end.signal)
            : await reveal(id, environment, source),
      }))
      const secrets: DeliveredSecret[] = []
      const unresolved: UnresolvedSecret[] = []
      const used = new Map<string, { secretId: string; environment: string }>()
      for (const { name, answer } of answers) {
        if ('refused' in answer) {
          unresolved.push({ name, explanation: answer.refused })
          continue
        }
        secrets.push(answer.secret)
        for (const one of answer.uses) used.set(`${one.secretId} ${one.environment}`, one)
      }
      // Only to be taken out of the output.
      const referenced = await inParallel([...used.values()], (one) => reveal(one.secretId, one.environment))
      return {
        environment,
        secrets,
        unresolved,
        referenced: referenced.flatMap((one) => ('refused' in one ? [] : [one.secret])),
      }
    } catch (error) {
      end.abort()
      throw error
    }
  }
  return connected(env, 'person', work, { userAgent: `${userAgent}${remark}` })
}

type Revealed =
  | {
      readonly secret: DeliveredSecret
      readonly uses: readonly { secretId: string; environment: string }[]
    }
  | { readonly refused: string }

/** One value with what its references stand for, or why there is none. */
async function revealed(
  keyhold: Keyhold,
  projectId: string,
  secretId: string,
  environment: string,
  signal: AbortSignal,
): Promise<Revealed> {
  try {
    const { name, type, value, encoding, uses } = await keyhold.call('secret.reveal', {
      params: { projectId, secretId },
      body: { resolve: true, environment },
      signal,
    })
    return { secret: { name, type, value: Buffer.from(value, encoding) }, uses }
  } catch (error) {
    if (!(error instanceof KeyholdError) || error.code !== 'secret.unresolved') throw error
    return { refused: error.message.replace(/^[^:]*: /, '') }
  }
}

/** The person's own value. Its references would be text, so it uses nothing. */
async function revealedOverride(
  keyhold: Keyhold,
  projectId: string,
  secretId: string,
  environment: string,
  signal: AbortSignal,
): Promise<Revealed> {
  const { name, type, value, encoding } = await keyhold.call('secret-override.reveal', {
    params: { projectId, secretId },
    body: { environment },
    signal,
  })
  return { secret: { name, type, value: Buffer.from(value, encoding), source: 'override' }, uses: [] }
}

/** Does the work for each, some at a time, and gives the results in order. */
async function inParallel<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  const next = items.entries()
  const worker = async () => {
    for (const [place, item] of next) results[place] = await work(item)
  }
  await Promise.all(Array.from({ length: Math.min(REQUESTS_MAX, items.length) }, worker))
  return results
}
