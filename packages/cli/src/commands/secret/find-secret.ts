import type { ListedSecret } from '@keyhold/contract/api/secrets'
import { nearMatches } from '@keyhold/contract/names'
import type { Keyhold } from '@keyhold/sdk'
import { secretNotFound } from '../../client.ts'

/** The environment that the others fall back to. */
export const DEFAULT_ENVIRONMENT = 'All'

/**
 * Finds a secret by name, as a program would get it: the environment's own, or else the one of All.
 *
 * @throws Failure `NAME not found`, with the reasons that may have; KeyholdError
 */
export async function findSecret(
  keyhold: Keyhold,
  projectId: string,
  name: string,
  environment: string,
): Promise<ListedSecret> {
  // The server chooses: each name is in the list once.
  const { secrets } = await keyhold.call('secret.list', { params: { projectId }, query: { environment } })
  const secret = secrets.find((one) => one.name === name)
  if (secret !== undefined) return secret
  const near = nearMatches(
    name,
    secrets.map((one) => one.name),
  )
  // In the words of the server, which gives them to programs.
  throw secretNotFound(`${name} not found`, near, [
    'the name has a typo',
    'the name differs in upper and lower case',
    'the secret was not added to this project and environment',
    'it was added after this program started: restart the terminal or program',
  ])
}
