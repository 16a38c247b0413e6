import { Readable } from 'node:stream'
import { Secret } from '@keyhold/contract/secret'
import { OutgoingError, type OutgoingRequest } from '../../base/outgoing.ts'
import type { StoredOutside, StoreSettings } from './outside-store.ts'
import { STORE_DEADLINE_MS, type StoreClient, type StoreConnection, StoreError } from './store-client.ts'

/** The parts of a request as AWS's library hands it over (`HttpRequest` of @smithy/types). */
interface AwsRequest {
  readonly method: string
  readonly protocol: string
  readonly hostname: string
  readonly port?: number
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: unknown
}

/** Names nothing: the answer that it is not there says that the key is good. */
const NO_SECRET = 'keyhold-check'

/** Reads from AWS Secrets Manager, with AWS's library and Keyhold's own way out. */
export async function newAwsClient(
  { store, credential, outgoing }: StoreConnection,
  { region, accessKeyId }: Extract<StoreSettings, { kind: 'aws' }>,
): Promise<StoreClient> {
  const { GetSecretValueCommand, SecretsManagerClient } = await import('@aws-sdk/client-secrets-manager')
  const requestHandler = {
    handle: async (request: AwsRequest) => {
      const { protocol, hostname, port, path, headers, body } = request
      const answer = await outgoing.send({
        method: request.method as OutgoingRequest['method'], // `as`: this service is asked by POST.
        url: `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${path}`,
        headers,
        // What is signed has to be sent as it is.
        bytes: typeof body === 'string' ? Buffer.from(body) : new Uint8Array(body as Uint8Array), // `as`: no stream.
        ca: store.ca,
        isPrivateAllowed: true,
        deadlineMs: STORE_DEADLINE_MS,
      })
      const answered = Object.entries(answer.headers).map(([name, value]) => [name, String(value)])
      return {
        response: {
          statusCode: answer.status,
          headers: Object.fromEntries(answered) as Record<string, string>, // `as`: of such pairs.
          body: Readable.from([Buffer.from(answer.text)]),
        },
      }
    },
  }
  const client = new SecretsManagerClient({
    region,
    endpoint: store.address,
    credentials: { accessKeyId, secretAccessKey: credential.reveal() },
    requestHandler,
    maxAttempts: 1,
    // Else the library looks for each of these in the server's environment, its files and at a metadata service.
    retryMode: 'standard',
    defaultsMode: 'standard',
    useDualstackEndpoint: false,
    useFipsEndpoint: false,
    authSchemePreference: [],
    userAgentAppId: async () => undefined,
  })
  const get = async (path: string) => {
    try {
      return await client.send(new GetSecretValueCommand({ SecretId: path }))
    } catch (error) {
      // What the library says may quote the answer.
      throw error instanceof OutgoingError ? error : problemOf(error)
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
      const { SecretString: text, SecretBinary: bytes } = await get(path)
      if (bytes) return { whole: new Secret(bytes) }
      if (text === undefined) throw new StoreError('malformed')
      return toStored(text)
    },
    close: async () => client.destroy(),
  }
}

/** A JSON object is several values, as the console of AWS makes them; any other text is one. */
function toStored(text: string): StoredOutside {
  const whole = new Secret<Uint8Array>(Buffer.from(text))
  const fields = parsed(text)
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) return { whole }
  const values = Object.entries(fields).map(([key, value]) => {
    const shown = typeof value === 'string' ? value : JSON.stringify(value)
    return [key, new Secret<Uint8Array>(Buffer.from(shown))] as const
  })
  return { whole, values: new Map(values) }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** By the names of errors (docs.aws.amazon.com, Secrets Manager API Reference, GetSecretValue and Common Errors). */
function problemOf(error: unknown): StoreError {
  const name = error instanceof Error ? error.name : ''
  const status = statusOf(error)
  switch (name) {
    case 'ResourceNotFoundException':
    // Marked for deletion.
    case 'InvalidRequestException':
      return new StoreError('missing')
    case 'AccessDeniedException':
    case 'DecryptionFailure':
      return new StoreError('forbidden', status)
    case 'UnrecognizedClientException':
    case 'InvalidSignatureException':
    case 'InvalidClientTokenId':
    case 'IncompleteSignature':
    case 'MissingAuthenticationToken':
    case 'ExpiredTokenException':
    case 'OptInRequired':
      return new StoreError('sign-in', status)
    case 'ThrottlingException':
    case 'ServiceUnavailable':
      return new StoreError('busy', status)
  }
  if (status === undefined || status < 300) return new StoreError('malformed')
  if (status < 400) return new StoreError('redirect', status)
  return new StoreError('failed', status)
}

function statusOf(error: unknown): number | undefined {
  // `as`: looked at before it is believed.
  const { $metadata } = Object(error) as { $metadata?: { httpStatusCode?: unknown } }
  const status = $metadata?.httpStatusCode
  return typeof status === 'number' ? status : undefined
}
