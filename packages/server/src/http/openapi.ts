import { scopes } from '@keyhold/contract/actions'
import { routes } from '@keyhold/contract/api/routes'
import { type ErrorCode, errors } from '@keyhold/contract/errors'
import type { AnyRoute } from '@keyhold/contract/route'

/** Errors that any authenticated route may give. */
const common: readonly ErrorCode[] = [
  'auth.required',
  'access.refused',
  'rate.limited',
  'audit.unavailable',
  'storage.unavailable',
]

/** Errors of every request that changes something, or carries a body. */
const changing: readonly ErrorCode[] = ['request.cross_site']
const carrying: readonly ErrorCode[] = ['request.too_large', 'request.unsupported_type', 'rate.limited']

const problem = {
  type: 'object',
  required: ['type', 'title', 'status', 'traceId', 'code'],
  properties: {
    type: { type: 'string', format: 'uri', description: 'Page that explains the code' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    traceId: { type: 'string', description: "Names this request in the server's log" },
    code: { type: 'string', enum: Object.keys(errors) },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['field', 'message'],
        properties: { field: { type: 'string' }, message: { type: 'string' } },
      },
    },
    reasons: { type: 'array', items: { type: 'string' } },
    nearMatches: { type: 'array', items: { type: 'string' } },
  },
}

type Schema = Readonly<Record<string, unknown>>

function parameters(
  place: 'path' | 'query',
  schema: { properties?: Record<string, Schema>; required?: readonly string[] } | undefined,
) {
  return Object.entries(schema?.properties ?? {}).map(([name, { description, ...property }]) => ({
    name,
    in: place,
    required: place === 'path' || (schema?.required?.includes(name) ?? false),
    ...(description !== undefined && { description }),
    schema: property,
  }))
}

function failures(row: AnyRoute) {
  const codes = new Set<ErrorCode>([
    'transport.insecure',
    ...(row.caller === 'anyone' ? [] : common),
    // A person's credential has no current project.
    ...(row.caller === 'machine' ? (['project.not_found'] as const) : []),
    ...(row.method === 'GET' ? [] : changing),
    ...(row.body ? carrying : []),
    ...(row.params || row.query || row.body ? (['request.invalid'] as const) : []),
    ...(row.scope ? (['access.scope_missing'] as const) : []),
    ...(row.errors ?? []),
  ])
  const byStatus = Map.groupBy(codes, (code) => errors[code].status)
  return Object.fromEntries(
    [...byStatus]
      .sort(([a], [b]) => a - b)
      .map(([status, some]) => [
        status,
        {
          description: some.map((code) => `\`${code}\`: ${errors[code].title}`).join('\n\n'),
          content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      ]),
  )
}

function operation(row: AnyRoute) {
  const isText = row.answer?.type === 'string'
  const textType = row.isEventStream ? 'text/event-stream' : 'text/plain'
  return {
    operationId: row.id,
    summary: row.summary,
    tags: [row.id.split('.')[0]],
    ...(row.scope && { 'x-keyhold-scope': row.scope }),
    ...(row.action && { 'x-keyhold-action': row.action }),
    security:
      row.caller === 'anyone'
        ? []
        : row.caller === 'person'
          ? [{ accessToken: [] }, { session: [] }]
          : row.caller === 'workspace'
            ? [{ agent: [] }]
            : [{ accessKey: [] }],
    parameters: [...parameters('path', row.params), ...parameters('query', row.query)],
    ...(row.body && {
      requestBody: { required: true, content: { 'application/json': { schema: row.body } } },
    }),
    responses: {
      [row.status]: row.answer
        ? {
            description: 'Done',
            content: { [isText ? textType : 'application/json']: { schema: row.answer } },
          }
        : { description: 'Done; no body' },
      ...failures(row),
    },
  }
}

/** The API as OpenAPI 3.1, made from the contract. */
export function openapi(version: string): object {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const row of routes)
    paths[row.path] = { ...paths[row.path], [row.method.toLowerCase()]: operation(row) }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Keyhold',
      version,
      description: "One place for every key a developer's work needs.",
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths,
    components: {
      securitySchemes: {
        accessToken: {
          type: 'http',
          scheme: 'bearer',
          description: `An access token (kh_pat_…). A limited one has scopes:\n${Object.entries(scopes)
            .map(([scope, text]) => `* \`${scope}\`: ${text}`)
            .join('\n')}`,
        },
        session: { type: 'apiKey', in: 'cookie', name: '__Host-keyhold', description: 'Set by signing in' },
        accessKey: {
          type: 'http',
          scheme: 'basic',
          description: 'Access key ID and access key of a project',
        },
        agent: { type: 'http', scheme: 'bearer', description: 'The credential of an agent (kh_agt_…)' },
      },
      schemas: { Problem: problem },
    },
  }
}
