import { Secret } from '@keyhold/contract/secret'
import { OutgoingError } from '../../base/outgoing.ts'
import type { StoreSettings } from './outside-store.ts'
import { STORE_DEADLINE_MS, type StoreClient, type StoreConnection, StoreError } from './store-client.ts'

/** Names nothing: the answer that it is not there says that the client secret is good. */
const NO_SECRET = 'keyhold-check'

/**
 * Reads from Azure Key Vault, with Azure's library and Keyhold's own way out. The token is asked for here: @azure/identity
 * brings browsers and caches along for one request (OAuth 2.0 client credentials, RFC 6749 §4.4).
 */
export async function newAzureClient(
  { store, credential, outgoing }: StoreConnection,
  { tenantId, clientId, authority }: Extract<StoreSettings, { kind: 'azure' }>,
): Promise<StoreClient> {
  const { SecretClient } = await import('@azure/keyvault-secrets')
  const { createHttpHeaders } = await import('@azure/core-rest-pipeline')
  const common = { ca: store.ca, isPrivateAllowed: true, deadlineMs: STORE_DEADLINE_MS }

  /** @param scopes what the vault asks for; the library has seen to it that it is the vault's. */
  const getToken = async (scopes: string | string[]) => {
    const answer = await outgoing.send({
      method: 'POST',
      url: `${authority}/${encodeURIComponent(tenantId)}/oauth2/v2.0/token`,
      form: {
        grant_type: 'client_credentials',
        client_id: clientId,
        client_secret: credential,
        scope: [scopes].flat().join(' '),
      },
      ...common,
    })
    if ([400, 401, 403].includes(answer.status)) throw new StoreError('sign-in', answer.status)
    if (!answer.isSuccess) throw new StoreError('failed', answer.status)
    // `as`: looked at before it is believed.
    const { access_token: token, expires_in: seconds } = Object(answer.json) as Record<string, unknown>
    if (typeof token !== 'string' || token === '') throw new StoreError('malformed')
    return { token, expiresOnTimestamp: Date.now() + Number(seconds ?? 0) * 1000 }
  }

  const client = new SecretClient(
    store.address,
    { getToken },
    {
      httpClient: {
        sendRequest: async (request) => {
          const answer = await outgoing.send({
            method: 'GET',
            url: request.url,
            headers: request.headers.toJSON(),
            ...common,
          })
          // The library answers 401 with a token. What else is no success is told apart here: of answers whose body it does
          // not expect it says something else.
          const isChallenge = answer.status === 401 && !request.headers.has('authorization')
          if (answer.status !== 200 && !isChallenge) throw problemOf(answer.status)
          const headers = createHttpHeaders()
          for (const [name, value] of Object.entries(answer.headers)) headers.set(name, String(value))
          return { request, headers, status: answer.status, bodyAsText: answer.text }
        },
      },
      retryOptions: { maxRetries: 0 },
      redirectOptions: { maxRetries: 0 },
    },
  )
  const get = async (name: string) => {
    try {
      return await client.getSecret(name)
    } catch (error) {
      if (error instanceof OutgoingError || error instanceof StoreError) throw error
      // Its message may quote the answer.
      throw new StoreError('malformed')
    }
  }
  return {
    check: async () => {
      try {
        await get(NO_SECRET)
      } catch (error) {
        const isSignedIn = error instanceof StoreError && ['missing', 'forbidden'].includes(error.problem)
        if (!isSignedIn) throw error
      }
    },
    read: async (path) => {
      const { value } = await get(path)
      if (typeof value !== 'string') throw new StoreError('malformed')
      return { whole: new Secret<Uint8Array>(Buffer.from(value)) }
    },
    close: async () => {},
  }
}

/** By status (learn.microsoft.com, Azure Key Vault REST API error codes). */
function problemOf(status: number): StoreError {
  if (status === 401) return new StoreError('sign-in', status)
  // Also for a secret that is disabled.
  if (status === 403) return new StoreError('forbidden', status)
  if (status === 404) return new StoreError('missing')
  if (status === 429 || status === 503) return new StoreError('busy', status)
  if (status >= 300 && status < 400) return new StoreError('redirect', status)
  return new StoreError('failed', status)
}
