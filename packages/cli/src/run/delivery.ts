import type { MachineConnection } from '../connection.ts'
import { ExitCode } from '../exit-codes.ts'
import { Failure, kindOf } from '../failure.ts'
import { type HttpResponse, httpFetch } from '../http.ts'
import { visible } from '../terminal.ts'
import { version } from '../version.ts'

export type SecretType = 'token' | 'password' | 'key' | 'file'

export interface DeliveredSecret {
  readonly name: string
  readonly type: SecretType
  readonly value: Uint8Array
  /** Where it comes from, if that is known; a copy of an earlier keyhold does not know. */
  readonly source?: 'override' | 'environment' | 'All' | 'workspace'
  /** Where its file is already: at the path that was chosen for it in a workspace. */
  readonly file?: string
}

/** A secret that is not delivered, because a reference in it has no value. Names only. */
export interface UnresolvedSecret {
  readonly name: string
  readonly explanation: string
}

export interface Delivery {
  readonly environment: string
  readonly secrets: readonly DeliveredSecret[]
  readonly unresolved: readonly UnresolvedSecret[]
  /** Values that are in those of `secrets` by reference: taken out of the output, and given to nobody. */
  readonly referenced: readonly DeliveredSecret[]
}

/**
 * Gets all secrets of the access key's project with one request, which the server records before it answers.
 * @param remark after the name of this program, which the record repeats.
 */
export async function fetchDelivery(
  connection: MachineConnection,
  environment: string | undefined,
  remark = '',
): Promise<Delivery> {
  const query = environment === undefined ? '' : `?environment=${encodeURIComponent(environment)}`
  const credential = Buffer.from(`${connection.accessKeyId}:${connection.accessKey}`).toString('base64')
  const response = await httpFetch(`${connection.url}/api/v1/projects/current/secrets${query}`, {
    headers: { authorization: `Basic ${credential}`, 'user-agent': `keyhold-cli/${version}${remark}` },
  })
  if (!response.ok) throw await refusal(response)
  return parseDelivery(await body(response))
}

/** Takes the answer apart, believing nothing of it. No message quotes what was read. */
function parseDelivery(answer: unknown): Delivery {
  if (!isRecord(answer) || typeof answer.environment !== 'string' || !Array.isArray(answer.secrets)) {
    throw unreadable()
  }
  // A server from before there were references says nothing of them.
  const { unresolved = [], referenced = [] } = answer
  if (!Array.isArray(unresolved) || !Array.isArray(referenced)) throw unreadable()
  return {
    environment: answer.environment,
    secrets: answer.secrets.map(parseSecret),
    unresolved: unresolved.map(parseUnresolved),
    referenced: referenced.map(parseSecret),
  }
}

function parseSecret(secret: unknown): DeliveredSecret {
  if (!isRecord(secret)) throw unreadable()
  const { name, type, value, encoding, environment } = secret
  if (typeof name !== 'string' || typeof value !== 'string' || !isSecretType(type)) throw unreadable()
  if (encoding !== 'utf8' && encoding !== 'base64') throw unreadable()
  const source = environment === 'All' ? 'All' : 'environment'
  return { name, type, value: Buffer.from(value, encoding), source }
}

function parseUnresolved(secret: unknown): UnresolvedSecret {
  if (!isRecord(secret)) throw unreadable()
  const { name, writtenIn, reference, reason } = secret
  if (![name, writtenIn, reference, reason].every((text) => typeof text === 'string')) throw unreadable()
  return {
    name: visible(String(name)).slice(0, 300),
    explanation: visible(`\${${reference}} in ${writtenIn}: ${reason}`).slice(0, 1000),
  }
}

async function refusal(response: HttpResponse): Promise<Failure> {
  const problem = await body(response).catch(() => undefined)
  const text = (field: string) =>
    isRecord(problem) && typeof problem[field] === 'string'
      ? visible(problem[field]).slice(0, 500)
      : undefined
  const reason = text('detail') ?? text('title') ?? `the server answered ${response.status}`
  const code = text('code')
  const trace = text('traceId')
  const isUnknown = response.status === 401
  return new Failure(isUnknown ? `not signed in: ${reason}` : reason, {
    exitCode: isUnknown ? ExitCode.NotSignedIn : ExitCode.Failed,
    // What a balancer says while Keyhold is away, also with 404, is no word of Keyhold's: its errors have a code.
    kind: code === undefined ? 'unavailable' : kindOf(response.status),
    hints: [
      ...(isUnknown ? ['is the access key active, not expired, and used from an allowed address?'] : []),
      ...(code || trace ? [`${[code, trace && `trace ${trace}`].filter(Boolean).join(', ')}`] : []),
    ],
  })
}

async function body(response: HttpResponse): Promise<unknown> {
  try {
    return await response.json()
  } catch {
    // The cause is dropped: a JSON error quotes its input.
    throw unreadable()
  }
}

function unreadable(): Failure {
  return new Failure('the server’s answer is not one that Keyhold gives', {
    hints: ['does KEYHOLD_URL name a Keyhold server?'],
    // A gateway or a captive portal answered.
    kind: 'unavailable',
  })
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isSecretType(type: unknown): type is SecretType {
  return type === 'token' || type === 'password' || type === 'key' || type === 'file'
}
