import { scopes } from '@keyhold/contract/actions'
import { routes } from '@keyhold/contract/api/routes'
import type { AnyRoute, RouteCaller } from '@keyhold/contract/route'
import { code, page, table } from './markdown.ts'

/** Headings of the resources, in the order of the page. The key is the first word of a route's id. */
const resources: Readonly<Record<string, string>> = {
  current: 'Machines: the project of the access key',
  project: 'Projects',
  member: 'Members',
  environment: 'Environments',
  secret: 'Secrets',
  'secret-override': 'Own values for secrets',
  workspace: 'Workspaces',
  template: 'Templates of workspaces',
  'workspace-secret': 'Secrets of workspaces',
  share: 'Shares of workspaces',
  agent: 'Agents of workspaces',
  store: 'Outside stores',
  'store-source': 'What workspaces take of outside stores',
  ssh: 'The way into workspaces by SSH',
  'ssh-session': 'SSH sessions in workspaces',
  'access-key': 'Access keys',
  'workload-identity': 'Workload identities',
  'access-token': 'Access tokens',
  'personal-secret': 'Personal secrets',
  'ssh-key': 'SSH keys',
  'api-key': 'API keys for outside services',
  'ssh-identity': 'SSH identity',
  'gpg-key': 'GPG keys',
  'device-login': 'Signing in a machine',
  session: 'Signing in',
  sessions: 'Sessions',
  'second-factor': 'Second factor',
  passkey: 'Passkeys',
  'identity-link': 'Links to identity providers',
  'identity-provider': 'Identity providers',
  account: 'Accounts',
  invitation: 'Invitations',
  repository: 'Connections to code repositories',
  'repository-provider': 'Code repository providers',
  credential: 'All credentials of a person',
  'reminder-webhook': 'Reminders',
  settings: 'Settings',
  instance: 'The instance',
  audit: 'Audit log',
  'audit-destination': 'Where the audit log is sent',
  setup: 'Set-up',
}

const callers: Record<RouteCaller, string> = {
  person: 'person',
  machine: 'access key',
  workspace: 'workspace',
  anyone: 'anyone',
}

const errorLink = (name: string) => `[${code(name)}](../errors/${name}.md)`

const METHODS: readonly AnyRoute['method'][] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

/** By path, and reading before changing. */
function inOrder(rows: readonly AnyRoute[]): AnyRoute[] {
  return [...rows].sort((a, b) =>
    a.path === b.path ? METHODS.indexOf(a.method) - METHODS.indexOf(b.method) : a.path < b.path ? -1 : 1,
  )
}

function section(heading: string, rows: readonly AnyRoute[]): string {
  return page(
    `## ${heading}`,
    table(
      ['Route', 'What it does', 'Who', 'Scope', 'Recorded as', 'Errors of its own'],
      inOrder(rows).map(({ method, path, summary, caller, scope, action, errors }) => [
        `${code(`${method} ${path}`)}`,
        summary,
        callers[caller],
        scope ? code(scope) : '',
        action ? code(action) : '',
        (errors ?? []).map(errorLink).join(' '),
      ]),
    ),
  ).trimEnd()
}

/** The API as tables, by resource. Shapes of requests and answers are in openapi.json. */
export function renderApi(): string {
  const byResource = Map.groupBy(routes, ({ id }) => id.split('.')[0]!) // `!`: split gives one part at least.
  for (const resource of byResource.keys()) {
    if (!(resource in resources)) throw new Error(`api.md has no heading for ${resource}`)
  }
  return page(
    '# HTTP API',
    'The shapes of requests and answers are in [openapi.json](openapi.json) (OpenAPI 3.1), which a server also gives at\n' +
      '`/api/openapi.json`. Bodies are JSON. Times are ISO 8601 in UTC. A field that is not known is an error, so a typo is\n' +
      'never taken for a default.',
    '## Who calls',
    table(
      ['Who', 'How'],
      [
        [
          'person',
          'an access token, `Authorization: Bearer kh_pat_…`, or the session cookie that signing in sets',
        ],
        ['access key', 'HTTP Basic with the access key ID and the access key'],
        ['workspace', 'the credential of its agent, `Authorization: Bearer kh_agt_…`'],
        ['anyone', 'no credential is looked at'],
      ],
    ),
    'A limited access token needs the scope of the route; where none is given, a limited token may not call the route,\n' +
      'except to ask who it is. Scopes only ever take away: what a person may not do, no token of theirs may.',
    table(
      ['Scope', 'Allows'],
      Object.entries(scopes).map(([scope, text]) => [code(scope), text]),
    ),
    `Besides its own, a route may answer with ${[
      'auth.required',
      'access.refused',
      'access.address_refused',
      'access.scope_missing',
      'account.password_change_required',
      'rate.limited',
      'request.invalid',
      'request.too_large',
      'request.unsupported_type',
      'request.cross_site',
      'transport.insecure',
      'audit.unavailable',
      'storage.unavailable',
      'storage.full',
      'server.error',
    ]
      .map(errorLink)
      .join(', ')}.`,
    '"Recorded as" is the action in the [audit log](../audit-log.md). Of routes that only read names and settings, what people\n' +
      'do is not recorded; refusals always are.',
    ...Object.entries(resources).map(([resource, heading]) =>
      section(heading, byResource.get(resource) ?? []),
    ),
    '## The server itself',
    table(
      ['Route', 'What it does'],
      [
        ['`GET /healthz`', '200 while the process answers'],
        ['`GET /readyz`', '200 while database, root key and audit log can be used, else 503; says which'],
        ['`GET /metrics`', 'Prometheus metrics, where they are [configured](configuration.md)'],
        ['`GET /api/openapi.json`', 'this API as OpenAPI 3.1'],
        ['`GET /errors/<code>`', 'what an error code means and what to do'],
      ],
    ),
  )
}
