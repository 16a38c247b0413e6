import Type, { type Static } from 'typebox'
import { limits } from '../limits.ts'
import { route } from '../route.ts'
import { Id, Nullable, OneOf, Time } from './shapes.ts'

/** Which records are sent besides the signed checkpoints: none, those from now on, or the log from its beginning. */
export const sentRecords = ['none', 'new', 'all'] as const

export const AuditDestination = Type.Object({
  id: Id,
  /** `file:NAME`, `https://…`, `syslog+tls://HOST:PORT`, `syslog+tcp://…` or `syslog+udp://…`. */
  target: Type.String(),
  /** Whether records are sent, not only checkpoints. */
  isSentRecords: Type.Boolean(),
  createdAt: Time,
  /** Records of the log that nothing that was sent covers yet. */
  pending: Type.Integer(),
  /** Attempts that failed since the last success. */
  failures: Type.Integer(),
  lastAttemptAt: Nullable(Time),
  lastSuccessAt: Nullable(Time),
  /** Why the last attempt failed; `null` when it did not. */
  lastFailure: Nullable(Type.String()),
})
export type AuditDestination = Static<typeof AuditDestination>

export const listAuditDestinations = route({
  id: 'audit-destination.list',
  method: 'GET',
  path: '/api/v1/audit-destinations',
  summary: 'See where the audit log is sent, and how far (administrators)',
  caller: 'person',
  scope: 'audit:read',
  action: 'audit-destination.list',
  status: 200,
  answer: Type.Object({ destinations: Type.Array(AuditDestination) }),
})

export const createAuditDestination = route({
  id: 'audit-destination.create',
  method: 'POST',
  path: '/api/v1/audit-destinations',
  summary: 'Have the checkpoints of the audit log, and its records, sent somewhere else (administrators)',
  caller: 'person',
  scope: 'settings:write',
  action: 'audit-destination.create',
  body: Type.Object(
    {
      target: Type.String({
        minLength: 1,
        maxLength: limits.urlLength,
        description: 'file:NAME, https://…, syslog+tls://HOST:PORT, syslog+tcp://… or syslog+udp://…',
      }),
      records: Type.Optional(OneOf(sentRecords)),
      ca: Type.Optional(
        Type.String({
          minLength: 1,
          maxLength: limits.repositoryCaBytes,
          description: 'Certificates (PEM) to trust in place of the usual ones',
        }),
      ),
    },
    { additionalProperties: false },
  ),
  status: 201,
  answer: Type.Object({
    destination: AuditDestination,
    /** Signs what is posted: `whsec_` and 32 bytes in base64, as Standard Webhooks has it; `null` for other kinds. */
    secret: Nullable(Type.String()),
  }),
  errors: ['audit_destination.exists', 'audit_destination.limit'],
})

export const deleteAuditDestination = route({
  id: 'audit-destination.delete',
  method: 'DELETE',
  path: '/api/v1/audit-destinations/{destinationId}',
  summary: 'Stop sending the audit log there (administrators)',
  caller: 'person',
  scope: 'settings:write',
  action: 'audit-destination.delete',
  params: Type.Object({ destinationId: Id }),
  status: 204,
  errors: ['audit_destination.not_found'],
})
