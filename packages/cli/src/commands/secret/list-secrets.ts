import type { ListedSecret } from '@keyhold/contract/api/secrets'
import type { Keyhold } from '@keyhold/sdk'
import { findProject } from '../project/find-project.ts'

/** Names and facts, for whichever credential there is. @param environment with it, also what it takes from All. */
export async function listSecrets(
  keyhold: Keyhold,
  environment: string | undefined,
  project: string | undefined,
): Promise<readonly ListedSecret[]> {
  const query = environment === undefined ? {} : { environment }
  if (keyhold.credentialKind === 'access-key') return (await keyhold.call('current.list', { query })).secrets
  const { id: projectId } = await findProject(keyhold, project)
  return (await keyhold.call('secret.list', { params: { projectId }, query })).secrets
}
