import Type, { type Static } from 'typebox'
import { route } from '../route.ts'
import { Nullable, OneOf, Time } from './shapes.ts'

/** What an administrator may know of the installation. Nothing in it opens anything. */
export const Instance = Type.Object({
  url: Type.String(),
  /** Version of the server that answers. */
  release: Type.String(),
  database: OneOf(['sqlite', 'postgres']),
  /** One line per part, as in `/readyz`: `ok`, or what is wrong. */
  checks: Type.Record(Type.String(), Type.String()),
  rootKeys: Type.Array(
    Type.Object({
      fingerprint: Type.String(),
      state: OneOf(['next', 'current', 'previous', 'retired']),
      createdAt: Time,
      activatedAt: Nullable(Time),
      retiredAt: Nullable(Time),
      /** When a recovery kit was made of it, and when somebody typed part of it back. */
      kitMadeAt: Nullable(Time),
      kitProvenAt: Nullable(Time),
    }),
  ),
  /** Those that were heard of in the last two minutes. */
  servers: Type.Array(
    Type.Object({
      host: Type.String(),
      release: Type.String(),
      rootFingerprint: Type.String(),
      startedAt: Time,
      seenAt: Time,
    }),
  ),
  /** Signs the checkpoints of the audit log. */
  auditVerifierKey: Type.String(),
  /** When `keyhold admin backup` last began one; `null`: never, as far as the log goes back. */
  lastBackupAt: Nullable(Time),
  /** Mail is sent. */
  hasMail: Type.Boolean(),
  /** The variables that the server was started with. */
  options: Type.Array(
    Type.Object({
      name: Type.String(),
      /** Somebody chose it; else it is the default. */
      isSet: Type.Boolean(),
      /** `null`: there is none, or it is one that is not shown. */
      shown: Nullable(Type.String()),
      isSecret: Type.Boolean(),
      /** What it is for. */
      doc: Type.String(),
    }),
  ),
})
export type Instance = Static<typeof Instance>

export const getInstance = route({
  id: 'instance.get',
  method: 'GET',
  path: '/api/v1/instance',
  summary:
    'See how the instance is: health, keys by fingerprint, servers, backup and options (administrators)',
  caller: 'person',
  scope: 'settings:read',
  action: 'instance.read',
  status: 200,
  answer: Instance,
})
