import { type ApiKey, apiKeyMethods, type Placement } from '@keyhold/contract/api/api-keys'
import { nearMatches } from '@keyhold/contract/names'
import type { Keyhold } from '@keyhold/sdk'
import type { OptionValues } from '../../command.ts'
import { Failure, usageFailure } from '../../failure.ts'
import { parsedTime } from '../../present.ts'
import type { Terminal } from '../../terminal.ts'

/** What an API key is, where it may go, and where a request carries it. */
export const apiKeyOptions = {
  service: { type: 'string', placeholder: 'SERVICE', summary: 'a preset, or any text; see api-key presets' },
  description: { type: 'string', placeholder: 'TEXT', summary: 'what the key is for' },
  'base-url': { type: 'string', placeholder: 'URL', summary: 'where programs call the service, https' },
  'allow-host': {
    type: 'string',
    placeholder: 'HOST',
    summary: 'host, or host:port, that the key may go to; default: that of the URL',
    isRepeatable: true,
  },
  bearer: { type: 'boolean', summary: 'carried as Authorization: Bearer' },
  header: { type: 'string', placeholder: 'NAME', summary: 'carried as this header' },
  query: { type: 'string', placeholder: 'NAME', summary: 'carried as this query parameter' },
  basic: { type: 'string', placeholder: 'USER', summary: 'carried as the password of this user, HTTP Basic' },
  method: {
    type: 'string',
    placeholder: 'METHOD',
    summary: 'only requests with these methods',
    choices: apiKeyMethods,
    isRepeatable: true,
  },
  path: {
    type: 'string',
    placeholder: 'PATH',
    summary: 'only requests to these paths and what is below them',
    isRepeatable: true,
  },
  expires: { type: 'string', placeholder: 'WHEN', summary: '90d, 12h, 2026-12-31 or never' },
} as const

/** The fields of the API that were given. */
export function apiKeyFields(options: OptionValues<typeof apiKeyOptions>) {
  const { service, description, method, path, expires } = options
  const { 'base-url': baseUrl, 'allow-host': hosts } = options
  const placement = placementOf(options)
  return {
    ...(service !== undefined && { service }),
    ...(description !== undefined && { description }),
    ...(baseUrl !== undefined && { baseUrl }),
    ...(hosts.length > 0 && { allowedHosts: [...hosts] }),
    ...(placement && { placement }),
    // `as`: all are choices.
    ...(method.length > 0 && { allowedMethods: [...new Set(method)] as (typeof apiKeyMethods)[number][] }),
    ...(path.length > 0 && { allowedPaths: [...path] }),
    ...(expires !== undefined && {
      expiresAt: expires === 'never' ? null : parsedTime(expires, 'expires', 1),
    }),
  }
}

function placementOf({
  bearer,
  header,
  query,
  basic,
}: OptionValues<typeof apiKeyOptions>): Placement | undefined {
  const given: Placement[] = [
    ...(bearer ? [{ kind: 'bearer' } as const] : []),
    ...(header !== undefined ? [{ kind: 'header', name: header } as const] : []),
    ...(query !== undefined ? [{ kind: 'query', name: query } as const] : []),
    ...(basic !== undefined ? [{ kind: 'basic', username: basic } as const] : []),
  ]
  if (given.length > 1) throw usageFailure('--bearer, --header, --query and --basic exclude each other')
  return given[0]
}

/** Says where a request carries the key. */
export function shownPlacement(placement: Placement | null): string {
  switch (placement?.kind) {
    case undefined:
      return 'depends on the account'
    case 'bearer':
      return 'bearer'
    case 'basic':
      return `basic, user ${placement.username}`
    default:
      return `${placement?.kind} ${placement?.name}`
  }
}

/** Takes the key from standard input or a prompt. No key ends with a newline, so one that `echo` added is left out. */
export async function readApiKey(terminal: Terminal, name: string): Promise<string> {
  const text = Buffer.from(await terminal.readValue(`API key ${name}:`)).toString('utf8')
  const value = text.replace(/\r?\n$/, '')
  if (value === '')
    throw new Failure('there is no key: standard input is empty', { hints: ['nothing was changed'] })
  return value
}

/** Finds one of the person's API keys by id or name. @throws Failure, KeyholdError */
export async function findApiKey(keyhold: Keyhold, wanted: string): Promise<ApiKey> {
  const { apiKeys } = await keyhold.call('api-key.list')
  const folded = (name: string) => name.trim().normalize('NFKC').toLowerCase()
  const found =
    apiKeys.find(({ id }) => id === wanted) ?? apiKeys.find(({ name }) => folded(name) === folded(wanted))
  if (found) return found
  // What was typed is not repeated: it may be a key.
  const near = nearMatches(
    wanted,
    apiKeys.map(({ name }) => name),
  )
  throw new Failure('API key not found (api_key.not_found)', {
    hints: [...near.map((name) => `did you mean ${name}?`), 'your API keys: keyhold api-key list'],
  })
}
