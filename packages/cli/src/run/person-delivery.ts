import { connected } from '../client.ts'
import { findProject } from '../commands/project/find-project.ts'
import { DEFAULT_ENVIRONMENT } from '../commands/secret/find-secret.ts'
import type { DeliveredSecret, Delivery } from './delivery.ts'

/** Requests at one time. A person gets one value per request, and each is recorded; a machine's key gets all at once. */
const REQUESTS_MAX = 8

/**
 * Gets the secrets of a project for a person, one value per request: the environment's own, and what it takes from All.
 *
 * @throws Failure; then nothing is delivered
 */
export async function fetchPersonDelivery(
  env: NodeJS.ProcessEnv,
  project: string | undefined,
  environmentName: string | undefined,
): Promise<Delivery> {
  // The first failure ends the requests that are still on their way.
  const end = new AbortController()
  return connected(env, 'person', async (keyhold) => {
    const environment = environmentName ?? keyhold.environment ?? DEFAULT_ENVIRONMENT
    const { id: projectId } = await findProject(keyhold, project)
    // Each name once: the server has chosen.
    const listed = await keyhold.call('secret.list', { params: { projectId }, query: { environment } })
    const secrets: DeliveredSecret[] = []
    const next = listed.secrets.entries()
    const work = async () => {
      for (const [place, { id: secretId }] of next) {
        const { name, type, value, encoding } = await keyhold.call('secret.reveal', {
          params: { projectId, secretId },
          body: {},
          signal: end.signal,
        })
        secrets[place] = { name, type, value: Buffer.from(value, encoding) }
      }
    }
    try {
      await Promise.all(Array.from({ length: REQUESTS_MAX }, work))
    } catch (error) {
      end.abort()
      throw error
    }
    return { environment, secrets }
  })
}
