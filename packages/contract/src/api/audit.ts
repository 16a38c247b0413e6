import Type, { type Static } from 'typebox'
import { actionNames, outcomes } from '../actions.ts'
import { limits } from '../limits.ts'
import { route } from '../route.ts'
import { Id, Nullable, OneOf, Time } from './shapes.ts'
import { useKinds } from './uses.ts'

/** One leaf of the audit tree, as it is hashed. No field ever holds a value of a secret. */
export const AuditRecord = Type.Object({
  /** Position in the tree, from 0, without gaps. */
  index: Type.Integer(),
  time: Time,
  action: OneOf(actionNames),
  outcome: OneOf(outcomes),
  /** Error code of a refusal or failure. */
  reason: Type.Optional(Type.String()),
  actor: Type.Object({
    kind: OneOf([
      'person',
      'access-key',
      'workload-identity',
      'workspace',
      'operator',
      'server',
      'anonymous',
    ]),
    /** Account id, access key ID, id of the workspace, or of the workload identity; `name` is then the subject of the machine's token. */
    id: Type.Optional(Type.String()),
    name: Type.Optional(Type.String()),
    /** Session or access token that the person used, or credential of the workspace's agent. */
    credential: Type.Optional(Type.String()),
    /** Credential of the workspace's agent by whose word it was this person, in a session by SSH. */
    saidBy: Type.Optional(Type.String()),
  }),
  project: Type.Optional(Type.Object({ id: Type.String(), name: Type.Optional(Type.String()) })),
  environment: Type.Optional(Type.String()),
  /** Id of the workspace that a value went to. */
  workspace: Type.Optional(Type.String()),
  /** What was acted on. For secrets `name` is the secret's name. */
  target: Type.Optional(
    Type.Object({
      kind: Type.String(),
      id: Type.Optional(Type.String()),
      name: Type.Optional(Type.String()),
      version: Type.Optional(Type.Integer()),
    }),
  ),
  /** Where a program used a secret, as whoever ran it reports. */
  use: Type.Optional(
    Type.Object({
      run: Type.String(),
      kind: OneOf(useKinds),
      program: Type.String(),
      file: Type.Optional(Type.String()),
      line: Type.Optional(Type.Integer()),
      column: Type.Optional(Type.Integer()),
      via: Type.Optional(Type.String()),
      count: Type.Optional(Type.Integer()),
    }),
  ),
  /** Host and port that a request with the credential went to. */
  host: Type.Optional(Type.String()),
  /** Names of the fields that an update changed. */
  changed: Type.Optional(Type.Array(Type.String())),
  /** Of `audit.remove`: the contents of all records before this index are gone, since they were older than these days. */
  removed: Type.Optional(Type.Object({ before: Type.Integer(), retentionDays: Type.Integer() })),
  address: Type.Optional(Type.String()),
  /** What the client says it is (User-Agent). */
  client: Type.Optional(Type.String()),
  traceId: Type.Optional(Type.String()),
})
export type AuditRecord = Static<typeof AuditRecord>

const filters = {
  person: Type.Optional(Type.String({ maxLength: 254, description: 'Account id or e-mail address' })),
  accessKey: Type.Optional(Id),
  secret: Type.Optional(
    Type.String({ maxLength: limits.secretNameBytes, description: 'Name of the secret, exactly' }),
  ),
  action: Type.Optional(OneOf(actionNames)),
  project: Type.Optional(Id),
  workspace: Type.Optional(Type.String({ maxLength: 40, description: 'Id of a workspace' })),
  outcome: Type.Optional(OneOf(outcomes)),
  from: Type.Optional(Type.String({ format: 'date-time', description: 'Not before' })),
  to: Type.Optional(Type.String({ format: 'date-time', description: 'Before' })),
}

export const listAudit = route({
  id: 'audit.list',
  method: 'GET',
  path: '/api/v1/audit',
  summary:
    'Read the audit log, newest first. Administrators see all of it, others what they did, and the projects and workspaces they are Admin of',
  caller: 'person',
  scope: 'audit:read',
  action: 'audit.read',
  query: Type.Object({
    ...filters,
    start: Type.Optional(Type.Integer({ minimum: 0, description: 'Only records from this index on' })),
    cursor: Type.Optional(Type.Integer({ minimum: 0, description: 'nextCursor of the page before' })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.auditPage, description: 'Default 50' })),
  }),
  status: 200,
  answer: Type.Object({
    records: Type.Array(Type.Intersect([AuditRecord, Type.Object({ line: Type.String() })])),
    /** Where the next page begins; null: this was the last. A page may be short, or empty, and have one. */
    nextCursor: Nullable(Type.Integer()),
    /** Index of the oldest record that is kept; 0 unless older ones were removed. */
    begin: Type.Integer(),
  }),
})

export const getCheckpoint = route({
  id: 'audit.checkpoint',
  method: 'GET',
  path: '/api/v1/audit/checkpoint',
  summary: 'The signed head of the audit tree (C2SP tlog-checkpoint) and the key that signs it',
  caller: 'person',
  scope: 'audit:read',
  action: 'audit.read',
  status: 200,
  answer: Type.Object({
    checkpoint: Type.String(),
    /** Verifier key in the form of C2SP signed-note: `name+hash+key`. */
    verifierKey: Type.String(),
  }),
})

export const proveAuditRecord = route({
  id: 'audit.prove',
  method: 'GET',
  path: '/api/v1/audit/{index}/proof',
  summary: 'A proof that a record is in the log, to be verified without the server (C2SP tlog-proof)',
  caller: 'person',
  scope: 'audit:read',
  action: 'audit.read',
  params: Type.Object({ index: Type.Integer({ minimum: 0, description: 'Position of the record' }) }),
  status: 200,
  answer: Type.Object({
    /** The proof as a file, with the record in it; see docs/audit-log.md. */
    proof: Type.String(),
  }),
  errors: ['audit.record_not_found', 'audit.record_removed', 'audit.incomplete'],
})

export const proveAuditGrowth = route({
  id: 'audit.growth',
  method: 'GET',
  path: '/api/v1/audit/growth',
  summary: 'A proof that the log has grown out of an earlier one, nothing changed (RFC 9162 §2.1.4)',
  caller: 'person',
  scope: 'audit:read',
  action: 'audit.read',
  query: Type.Object({
    size: Type.Integer({ minimum: 0, description: 'Number of records in the earlier checkpoint' }),
  }),
  status: 200,
  answer: Type.Object({
    /** Base64, in the order of the RFC. */
    hashes: Type.Array(Type.String()),
    checkpoint: Type.String(),
    verifierKey: Type.String(),
  }),
  errors: ['audit.shorter', 'audit.incomplete'],
})

/** Streams `text/plain` in the format of `docs/audit-log.md`; the only answer that is not JSON. */
export const exportAudit = route({
  id: 'audit.export',
  method: 'GET',
  path: '/api/v1/audit/export',
  summary: 'Export the whole audit log for `keyhold audit verify` (administrators)',
  caller: 'person',
  scope: 'audit:read',
  action: 'audit.export',
  status: 200,
  answer: Type.String(),
})
