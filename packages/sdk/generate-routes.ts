import * as accessKeys from '@keyhold/contract/api/access-keys'
import * as accessTokens from '@keyhold/contract/api/access-tokens'
import * as accounts from '@keyhold/contract/api/accounts'
import * as apiKeys from '@keyhold/contract/api/api-keys'
import * as audit from '@keyhold/contract/api/audit'
import * as auditDestinations from '@keyhold/contract/api/audit-destinations'
import * as credentials from '@keyhold/contract/api/credentials'
import * as deliveries from '@keyhold/contract/api/deliveries'
import * as deviceLogins from '@keyhold/contract/api/device-logins'
import * as gpgKeys from '@keyhold/contract/api/gpg-keys'
import * as identityProviders from '@keyhold/contract/api/identity-providers'
import * as instance from '@keyhold/contract/api/instance'
import * as invitations from '@keyhold/contract/api/invitations'
import * as passkeys from '@keyhold/contract/api/passkeys'
import * as personalSecrets from '@keyhold/contract/api/personal-secrets'
import * as projects from '@keyhold/contract/api/projects'
import * as reminders from '@keyhold/contract/api/reminders'
import * as repositories from '@keyhold/contract/api/repositories'
import { routes } from '@keyhold/contract/api/routes'
import * as secondFactor from '@keyhold/contract/api/second-factor'
import * as secretOverrides from '@keyhold/contract/api/secret-overrides'
import * as secrets from '@keyhold/contract/api/secrets'
import * as settings from '@keyhold/contract/api/settings'
import * as ssh from '@keyhold/contract/api/ssh'
import * as sshIdentity from '@keyhold/contract/api/ssh-identity'
import * as sshKeys from '@keyhold/contract/api/ssh-keys'
import * as sshSessions from '@keyhold/contract/api/ssh-sessions'
import * as stores from '@keyhold/contract/api/stores'
import * as templates from '@keyhold/contract/api/templates'
import * as uses from '@keyhold/contract/api/uses'
import * as workloadIdentities from '@keyhold/contract/api/workload-identities'
import * as workspaceAgents from '@keyhold/contract/api/workspace-agents'
import * as workspaceIdentity from '@keyhold/contract/api/workspace-identity'
import * as workspaceSecrets from '@keyhold/contract/api/workspace-secrets'
import * as workspaces from '@keyhold/contract/api/workspaces'
import type { AnyRoute } from '@keyhold/contract/route'

const resources = {
  'access-keys': accessKeys,
  'access-tokens': accessTokens,
  accounts,
  'api-keys': apiKeys,
  audit,
  'audit-destinations': auditDestinations,
  credentials,
  deliveries,
  'device-logins': deviceLogins,
  'gpg-keys': gpgKeys,
  'identity-providers': identityProviders,
  instance,
  invitations,
  passkeys,
  'personal-secrets': personalSecrets,
  projects,
  reminders,
  repositories,
  'second-factor': secondFactor,
  'secret-overrides': secretOverrides,
  secrets,
  settings,
  ssh,
  'ssh-identity': sshIdentity,
  'ssh-keys': sshKeys,
  'ssh-sessions': sshSessions,
  stores,
  templates,
  uses,
  'workload-identities': workloadIdentities,
  'workspace-agents': workspaceAgents,
  'workspace-identity': workspaceIdentity,
  'workspace-secrets': workspaceSecrets,
  workspaces,
}

/**
 * Writes `src/routes.gen.ts`: the method and path of every route, and the type of its row. The SDK reads the contract
 * by type only, so what it needs at run time is copied here.
 *
 * @throws when the contract has a route in a resource this function does not know.
 */
export function renderSdkRoutes(): string {
  const found = Object.entries(resources).flatMap(([resource, exports]) =>
    Object.entries(exports)
      .filter((entry): entry is [string, AnyRoute] => routes.includes(entry[1] as AnyRoute))
      .map(([name, row]) => ({ resource, name, row })),
  )
  for (const row of routes) {
    if (!found.some((one) => one.row === row))
      throw new Error(`generate-routes: ${row.id} is in no known resource`)
  }
  // A call waits for the end of the answer, which those have not.
  found.sort((a, b) => (a.row.id < b.row.id ? -1 : 1))
  const called = found.filter(({ row }) => !row.isEventStream)
  const watched = found.filter(({ row }) => row.isEventStream)
  const lines = [
    "// Generated from packages/contract by `npm run generate`; do not edit. The SDK's tests compare it with the contract.",
    ...Object.keys(resources).map(
      (resource) => `import type * as ${camelCase(resource)} from '@keyhold/contract/api/${resource}'`,
    ),
    '',
    '/** What has to be known of a route to call it. `isText`: the answer is not JSON; `isEventStream`: it has no end. */',
    'export interface RouteEntry {',
    "  readonly method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'",
    '  readonly path: string',
    "  readonly caller: 'person' | 'machine' | 'workspace' | 'anyone'",
    '  readonly isText?: true',
    '  readonly isEventStream?: true',
    '}',
    '',
    'export const routeTable = {',
    ...called.map(({ row }) => `  ${quoted(row.id)}: ${entry(row)},`),
    '} as const satisfies Record<string, RouteEntry>',
    '',
    '/** Routes that are watched, not called. */',
    'export const watchedRoutes = {',
    ...watched.map(({ row }) => `  ${quoted(row.id)}: ${entry(row)},`),
    '} as const satisfies Record<string, RouteEntry>',
    '',
    "/** Each route's row in the contract, of which the types of parameters, query, body and answer are derived. */",
    'export interface ContractRoutes {',
    ...called.map(({ row, resource, name }) => `  ${quoted(row.id)}: typeof ${camelCase(resource)}.${name}`),
    '}',
    '',
  ]
  return lines.join('\n')
}

function entry(row: AnyRoute): string {
  const fields = [`method: '${row.method}'`, `path: '${row.path}'`, `caller: '${row.caller}'`]
  if (row.isEventStream) fields.push('isEventStream: true')
  else if (row.answer?.type === 'string') fields.push('isText: true')
  const oneLine = `{ ${fields.join(', ')} }`
  // Broken as the formatter breaks it, so that the committed file is what the formatter leaves alone.
  if (`  ${quoted(row.id)}: ${oneLine},`.length <= 110) return oneLine
  return `{\n${fields.map((field) => `    ${field},\n`).join('')}  }`
}

const quoted = (id: string) => `'${id}'`
const camelCase = (kebab: string) =>
  kebab.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
