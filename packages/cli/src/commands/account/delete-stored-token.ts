import type { Keyhold } from '@keyhold/sdk'
import type { StoredCredentials } from '../../credentials.ts'

/**
 * Deletes a stored access token at the server.
 *
 * @param keyhold signed in as the person whose token it is
 * @returns false when that person has no such token
 * @throws KeyholdError
 */
export async function deleteStoredToken(keyhold: Keyhold, { token }: StoredCredentials): Promise<boolean> {
  const { accessTokens } = await keyhold.call('access-token.list')
  // A token does not hold its own id. Its ends are as good: eight random characters, of at most 200 tokens.
  const found = accessTokens.filter(({ partialToken }) => {
    const [start, end] = partialToken.split('…')
    return start && end && token.startsWith(start) && token.endsWith(end)
  })
  const [one] = found
  if (one === undefined || found.length > 1) return false
  await keyhold.call('access-token.delete', { params: { accessTokenId: one.id } })
  return true
}
