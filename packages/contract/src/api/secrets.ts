import Type, { type Static } from 'typebox'
import { limits } from '../limits.ts'
import { route } from '../route.ts'
import { EnvironmentName } from './projects.ts'
import { Description, Id, Nullable, OneOf, Time } from './shapes.ts'

export const secretTypes = ['token', 'password', 'key', 'file'] as const
export type SecretType = (typeof secretTypes)[number]
export const SecretType = OneOf(['token', 'password', 'key', 'file'])

/** `base64` carries bytes that are not UTF-8 text. */
export const Encoding = OneOf(['utf8', 'base64'])

export const SecretName = Type.String({
  minLength: 1,
  maxLength: limits.secretNameBytes,
  description: 'Letters, digits and _, not starting with a digit; not a reserved name',
})

/** Base64 of the largest file; the exact bounds are per type and checked in bytes. */
export const Value = Type.String({
  maxLength: Math.ceil(limits.fileValueBytes / 3) * 4,
  description: 'The value',
  writeOnly: true,
})

/** Whether `${NAME}` and `${environment.NAME}` in the value stand for other secrets of the project. */
const HasReferences = Type.Boolean({
  description: `Whether \${NAME} and \${environment.NAME} in the value stand for other secrets; $\${ is \${`,
})

/** Plain text about a secret, for whoever may list it. */
export const Note = Type.String({
  maxLength: limits.noteLength,
  pattern: '^[^\\u0000\\ud800-\\udfff]*$',
  description: 'Not secret: shown in lists to whoever may see the name',
})

export const RotationDays = Nullable(
  Type.Integer({
    minimum: 0,
    maximum: 3650,
    description:
      'Days after which it is due for a new value; 0: never; null: as the instance has it for its type',
  }),
)

/** A secret without its value: no list or detail ever has one. */
export const SecretInfo = Type.Object({
  id: Id,
  name: Type.String(),
  type: SecretType,
  environment: Type.String(),
  description: Type.String(),
  version: Type.Integer(),
  createdAt: Time,
  updatedAt: Time,
  updatedBy: Nullable(Type.String({ description: 'Name of the person, or id of the access key' })),
  lastAccessedAt: Nullable(Time),
  /** `secret123`, `key`, `temp`: saved, but a clearer name would help. */
  nameWarning: Nullable(Type.String()),
  /** False for short values and ordinary words, which are not taken out of logs (they would blank ordinary text). */
  isMasked: Type.Boolean(),
  hasReferences: HasReferences,
  note: Type.String(),
  rotationDays: RotationDays,
  /** When its value last changed. */
  rotatedAt: Time,
  /** By its own period, or else that of the instance for its type; `null`: never. */
  rotationDueAt: Nullable(Time),
  isRotationDue: Type.Boolean(),
})
export type SecretInfo = Static<typeof SecretInfo>

/** Where a reader's value comes from: one of their own, the environment's own secret, or that of All. */
export const SecretSource = OneOf(['override', 'environment', 'All'])
export type SecretSource = Static<typeof SecretSource>

export const ListedSecret = Type.Object({ ...SecretInfo.properties, source: SecretSource })
export type ListedSecret = Static<typeof ListedSecret>

export const SecretVersion = Type.Object({
  version: Type.Integer(),
  createdAt: Time,
  createdBy: Nullable(Type.String({ description: 'Name of the person, or id of the access key' })),
  isCurrent: Type.Boolean(),
  hasReferences: HasReferences,
})
export type SecretVersion = Static<typeof SecretVersion>

/** A delivered value. */
export const SecretValue = Type.Object({
  name: Type.String(),
  type: SecretType,
  value: Type.String(),
  encoding: Encoding,
  version: Type.Integer(),
  /** Where the value comes from: the environment asked for, or `All`. */
  environment: Type.String(),
})
export type SecretValue = Static<typeof SecretValue>

/** Why a reference has no value. Never says more than the reader may know. */
export const unresolvedReasons = ['missing', 'refused', 'cycle', 'too-deep', 'too-large', 'not-text'] as const
export type UnresolvedReason = (typeof unresolvedReasons)[number]

/** A secret that is left out of a delivery, because one of its references has no value. */
export const UnresolvedSecret = Type.Object({
  name: Type.String(),
  /** The secret whose value has the reference: itself, or one that it refers to. */
  writtenIn: Type.String(),
  /** As written, without `${` and `}`. */
  reference: Type.String(),
  reason: OneOf(unresolvedReasons),
})
export type UnresolvedSecret = Static<typeof UnresolvedSecret>

const ProjectParams = Type.Object({ projectId: Id })
const SecretParams = Type.Object({ projectId: Id, secretId: Id })
const EnvironmentQuery = Type.Object({ environment: Type.Optional(EnvironmentName) })

const CreateSecret = Type.Object(
  {
    name: SecretName,
    type: SecretType,
    value: Value,
    encoding: Type.Optional(Encoding),
    environment: Type.Optional(EnvironmentName),
    description: Type.Optional(Description),
    /** Default: false. */
    hasReferences: Type.Optional(HasReferences),
    note: Type.Optional(Note),
    rotationDays: Type.Optional(RotationDays),
  },
  { additionalProperties: false },
)

const updatable = {
  type: Type.Optional(SecretType),
  value: Type.Optional(Value),
  encoding: Type.Optional(Encoding),
  description: Type.Optional(Description),
  /** Default: as the current version has it. */
  hasReferences: Type.Optional(HasReferences),
  note: Type.Optional(Note),
  rotationDays: Type.Optional(RotationDays),
  /** Refuse with `secret.changed` unless this is the current version. */
  expectedVersion: Type.Optional(Type.Integer({ minimum: 1 })),
}

export const listSecrets = route({
  id: 'secret.list',
  method: 'GET',
  path: '/api/v1/projects/{projectId}/secrets',
  summary: "List a project's secrets, never values; with an environment, also those it takes from All",
  caller: 'person',
  scope: 'secrets:read',
  action: 'secret.list',
  params: ProjectParams,
  query: EnvironmentQuery,
  status: 200,
  answer: Type.Object({
    secrets: Type.Array(ListedSecret),
    /** For which names the caller has a value of their own, and in which environment: of the whole project. */
    overrides: Type.Array(Type.Object({ name: Type.String(), environment: Type.String() })),
  }),
  errors: ['project.not_found', 'environment.not_found'],
})

export const createSecret = route({
  id: 'secret.create',
  method: 'POST',
  path: '/api/v1/projects/{projectId}/secrets',
  summary: 'Create a secret',
  caller: 'person',
  scope: 'secrets:write',
  action: 'secret.create',
  params: ProjectParams,
  body: CreateSecret,
  status: 201,
  answer: SecretInfo,
  errors: ['project.not_found', 'environment.not_found', 'secret.exists', 'secret.limit'],
})

export const getSecret = route({
  id: 'secret.get',
  method: 'GET',
  path: '/api/v1/projects/{projectId}/secrets/{secretId}',
  summary: 'Read what is known of a secret, without its value',
  caller: 'person',
  scope: 'secrets:read',
  action: 'secret.list',
  params: SecretParams,
  status: 200,
  answer: SecretInfo,
  errors: ['project.not_found', 'secret.not_found'],
})

export const updateSecret = route({
  id: 'secret.update',
  method: 'PATCH',
  path: '/api/v1/projects/{projectId}/secrets/{secretId}',
  summary: 'Change a secret; a new value is a new version, an equal one changes nothing',
  caller: 'person',
  scope: 'secrets:write',
  action: 'secret.update',
  params: SecretParams,
  body: Type.Object(updatable, { additionalProperties: false, minProperties: 1 }),
  status: 200,
  answer: SecretInfo,
  errors: ['project.not_found', 'secret.not_found', 'secret.changed'],
})

export const deleteSecret = route({
  id: 'secret.delete',
  method: 'DELETE',
  path: '/api/v1/projects/{projectId}/secrets/{secretId}',
  summary: 'Delete a secret with its versions',
  caller: 'person',
  scope: 'secrets:write',
  action: 'secret.delete',
  params: SecretParams,
  status: 204,
  errors: ['project.not_found', 'secret.not_found'],
})

export const revealSecret = route({
  id: 'secret.reveal',
  method: 'POST',
  path: '/api/v1/projects/{projectId}/secrets/{secretId}/reveal',
  summary: 'Read the value of one secret; in a browser session the password must be fresh',
  caller: 'person',
  scope: 'secrets:reveal',
  action: 'secret.read',
  params: SecretParams,
  body: Type.Object(
    {
      version: Type.Optional(Type.Integer({ minimum: 1 })),
      /** Put the values of the secrets it refers to in place of its references. Default: false. */
      resolve: Type.Optional(Type.Boolean()),
      /** With `resolve`: the environment that `${NAME}` is looked up in. Default: the secret's own. */
      environment: Type.Optional(EnvironmentName),
    },
    { additionalProperties: false },
  ),
  status: 200,
  answer: Type.Object({
    ...SecretValue.properties,
    /** True when the value still has its references in it. */
    hasReferences: Type.Boolean(),
    /** With `resolve`: the secrets whose values are in this one. Each has to be asked for by itself. */
    uses: Type.Array(Type.Object({ secretId: Id, name: Type.String(), environment: Type.String() })),
  }),
  errors: [
    'project.not_found',
    'environment.not_found',
    'secret.not_found',
    'secret.unresolved',
    'session.reauthentication_required',
  ],
})

export const listReferences = route({
  id: 'secret.references',
  method: 'GET',
  path: '/api/v1/projects/{projectId}/references',
  summary: 'List which secrets refer to a secret or to an environment: what breaks when it goes',
  caller: 'person',
  scope: 'secrets:read',
  action: 'secret.list',
  params: ProjectParams,
  query: Type.Object({
    /** The environment of the secret that is referred to. */
    environment: EnvironmentName,
    /** Default: every secret of the environment. */
    name: Type.Optional(Type.String({ maxLength: limits.secretNameBytes })),
  }),
  status: 200,
  answer: Type.Object({
    references: Type.Array(
      Type.Object({
        secretId: Id,
        name: Type.String(),
        environment: Type.String(),
        /** As written, without `${` and `}`. */
        reference: Type.String(),
      }),
    ),
  }),
  errors: ['project.not_found', 'environment.not_found'],
})

/**
 * Streams `text/event-stream`: an event at once, and one whenever what an environment delivers may have changed. Its id and
 * data are one version, which stays the same while nothing changes; it holds no name and no value.
 */
export const watchSecrets = route({
  id: 'secret.changes',
  method: 'GET',
  path: '/api/v1/projects/{projectId}/changes',
  summary: 'Server-sent events: a version of what an environment delivers, at once and after each change',
  caller: 'person',
  scope: 'secrets:read',
  action: 'secret.watch',
  params: ProjectParams,
  query: EnvironmentQuery,
  status: 200,
  isEventStream: true,
  answer: Type.String(),
  errors: ['project.not_found', 'environment.not_found', 'rate.limited'],
})

export const listSecretVersions = route({
  id: 'secret.versions',
  method: 'GET',
  path: '/api/v1/projects/{projectId}/secrets/{secretId}/versions',
  summary: 'List the versions of a secret, newest first, without values',
  caller: 'person',
  scope: 'secrets:read',
  action: 'secret.list',
  params: SecretParams,
  status: 200,
  answer: Type.Object({ versions: Type.Array(SecretVersion) }),
  errors: ['project.not_found', 'secret.not_found'],
})

export const restoreSecret = route({
  id: 'secret.restore',
  method: 'POST',
  path: '/api/v1/projects/{projectId}/secrets/{secretId}/restore',
  summary: 'Make an earlier value the current one again, as a new version',
  caller: 'person',
  scope: 'secrets:write',
  action: 'secret.update',
  params: SecretParams,
  body: Type.Object({ version: Type.Integer({ minimum: 1 }) }, { additionalProperties: false }),
  status: 200,
  answer: SecretInfo,
  errors: ['project.not_found', 'secret.not_found', 'secret.version_not_found'],
})

export const importSecrets = route({
  id: 'secret.import',
  method: 'POST',
  path: '/api/v1/projects/{projectId}/secrets/import',
  summary: 'Create and change many secrets of an environment, all or none',
  caller: 'person',
  scope: 'secrets:write',
  action: 'secret.import',
  params: ProjectParams,
  body: Type.Object(
    {
      environment: Type.Optional(EnvironmentName),
      /** What to do with names that are there already. Default `refuse`. */
      existing: Type.Optional(OneOf(['refuse', 'skip', 'replace'])),
      secrets: Type.Array(
        Type.Object(
          {
            name: SecretName,
            /** Default: token for a new secret; an existing one keeps its type. */
            type: Type.Optional(SecretType),
            value: Value,
            encoding: Type.Optional(Encoding),
            description: Type.Optional(Description),
            /** Default: false for a new secret; an existing one keeps what it has. */
            hasReferences: Type.Optional(HasReferences),
          },
          { additionalProperties: false },
        ),
        { minItems: 1, maxItems: limits.secretsPerImport },
      ),
    },
    { additionalProperties: false },
  ),
  status: 200,
  answer: Type.Object({
    created: Type.Array(Type.String()),
    updated: Type.Array(Type.String()),
    /** There already, and left as they were. */
    unchanged: Type.Array(Type.String()),
  }),
  errors: ['project.not_found', 'environment.not_found', 'secret.exists', 'secret.limit'],
})

const EnvironmentParams = Type.Object({ projectId: Id, environmentId: Id })

export const RestoreChange = Type.Object({
  name: Type.String(),
  /** What a restore does: `added` comes back, `changed` has its earlier value again, `removed` was not there then. */
  change: OneOf(['added', 'changed', 'removed']),
})
export type RestoreChange = Static<typeof RestoreChange>

const Restore = Type.Object({
  at: Time,
  changes: Type.Array(RestoreChange),
  /** Secrets deleted longer than 30 days ago are not kept: before that, some may be missing here. */
  isComplete: Type.Boolean(),
  /** What the environment is now, as `expectedState` of the restore. */
  state: Type.String(),
})

export const previewRestore = route({
  id: 'environment.restore_preview',
  method: 'GET',
  path: '/api/v1/projects/{projectId}/environments/{environmentId}/restore',
  summary: 'Say what would change if an environment were taken back to an earlier time; names, never values',
  caller: 'person',
  scope: 'secrets:read',
  action: 'secret.list',
  params: EnvironmentParams,
  query: Type.Object({ at: Time }),
  status: 200,
  answer: Restore,
  errors: ['project.not_found', 'environment.not_found'],
})

export const restoreEnvironment = route({
  id: 'environment.restore',
  method: 'POST',
  path: '/api/v1/projects/{projectId}/environments/{environmentId}/restore',
  summary: "Take an environment's own secrets back to an earlier time, all or none, as new versions",
  caller: 'person',
  scope: 'secrets:write',
  action: 'environment.restore',
  params: EnvironmentParams,
  body: Type.Object(
    {
      at: Time,
      /** `state` of the preview. Refuse with `environment.changed` when it is another by now. */
      expectedState: Type.String({ minLength: 1, maxLength: 100 }),
    },
    { additionalProperties: false },
  ),
  status: 200,
  answer: Restore,
  errors: [
    'project.not_found',
    'environment.not_found',
    'environment.changed',
    'secret.limit',
    'session.reauthentication_required',
  ],
})

export const compareEnvironments = route({
  id: 'secret.compare',
  method: 'GET',
  path: '/api/v1/projects/{projectId}/compare',
  summary: 'Compare what two environments deliver, by name and by whether the values are the same',
  caller: 'person',
  scope: 'secrets:read',
  action: 'secret.compare',
  params: ProjectParams,
  query: Type.Object({ left: EnvironmentName, right: EnvironmentName }),
  status: 200,
  answer: Type.Object({
    secrets: Type.Array(
      Type.Object({
        name: Type.String(),
        /** Where each takes its value from: itself, or `All`; `null`: it has none. */
        left: Nullable(Type.String()),
        right: Nullable(Type.String()),
        /** `null` when one of them has none. */
        isSame: Nullable(Type.Boolean()),
      }),
    ),
  }),
  errors: ['project.not_found', 'environment.not_found'],
})

/* What a machine sees: the one project of its access key. */

export const AccessKeyPermission = OneOf(['read', 'read_write'])
export type AccessKeyPermission = Static<typeof AccessKeyPermission>

export const getCurrentProject = route({
  id: 'current.get',
  method: 'GET',
  path: '/api/v1/projects/current',
  summary: "The access key's project and permission",
  caller: 'machine',
  action: 'project.read',
  status: 200,
  answer: Type.Object({
    project: Type.Object({ id: Id, name: Type.String() }),
    accessKeyId: Type.String(),
    permission: AccessKeyPermission,
  }),
})

export const listCurrentEnvironments = route({
  id: 'current.environments',
  method: 'GET',
  path: '/api/v1/projects/current/environments',
  summary: "List the environments of the access key's project",
  caller: 'machine',
  action: 'environment.list',
  status: 200,
  answer: Type.Object({
    environments: Type.Array(
      Type.Object({ name: Type.String(), description: Type.String(), isDefault: Type.Boolean() }),
    ),
  }),
})

export const listCurrentSecrets = route({
  id: 'current.list',
  method: 'GET',
  path: '/api/v1/projects/current/names',
  summary: "List the secrets of the access key's project, never values",
  caller: 'machine',
  action: 'secret.list',
  query: EnvironmentQuery,
  status: 200,
  answer: Type.Object({ secrets: Type.Array(ListedSecret) }),
  errors: ['environment.not_found'],
})

export const readCurrentSecrets = route({
  id: 'current.secrets',
  method: 'GET',
  path: '/api/v1/projects/current/secrets',
  summary:
    'All names and values of an environment, with what it takes from All; each value is recorded as accessed',
  caller: 'machine',
  action: 'secret.read',
  query: EnvironmentQuery,
  status: 200,
  answer: Type.Object({
    project: Type.Object({ id: Id, name: Type.String() }),
    environment: Type.String(),
    secrets: Type.Array(SecretValue),
    /** What is left out, and why. */
    unresolved: Type.Array(UnresolvedSecret),
    /** Values that are in those of `secrets` by reference, and are none of them: for masking. */
    referenced: Type.Array(SecretValue),
  }),
  errors: ['environment.not_found'],
})

/** As {@link watchSecrets}, for a machine. */
export const watchCurrentSecrets = route({
  id: 'current.changes',
  method: 'GET',
  path: '/api/v1/projects/current/changes',
  summary: 'Server-sent events: a version of what an environment delivers, at once and after each change',
  caller: 'machine',
  action: 'secret.watch',
  query: EnvironmentQuery,
  status: 200,
  isEventStream: true,
  answer: Type.String(),
  errors: ['environment.not_found', 'rate.limited'],
})

export const readCurrentSecret = route({
  id: 'current.secret',
  method: 'GET',
  path: '/api/v1/projects/current/secrets/{name}',
  summary: 'One value, from the environment or else from All',
  caller: 'machine',
  action: 'secret.read',
  params: Type.Object({ name: Type.String({ maxLength: limits.secretNameBytes }) }),
  query: EnvironmentQuery,
  status: 200,
  answer: SecretValue,
  errors: ['environment.not_found', 'secret.not_found', 'secret.unresolved'],
})

export const createCurrentSecret = route({
  id: 'current.create',
  method: 'POST',
  path: '/api/v1/projects/current/secrets',
  summary: 'Create a secret (Read & Write)',
  caller: 'machine',
  action: 'secret.create',
  body: CreateSecret,
  status: 201,
  answer: SecretInfo,
  errors: ['environment.not_found', 'secret.exists', 'secret.limit'],
})

export const updateCurrentSecret = route({
  id: 'current.update',
  method: 'PATCH',
  path: '/api/v1/projects/current/secrets/{name}',
  summary: 'Change a secret of exactly this environment (Read & Write)',
  caller: 'machine',
  action: 'secret.update',
  params: Type.Object({ name: Type.String({ maxLength: limits.secretNameBytes }) }),
  query: EnvironmentQuery,
  body: Type.Object(updatable, { additionalProperties: false, minProperties: 1 }),
  status: 200,
  answer: SecretInfo,
  errors: ['environment.not_found', 'secret.not_found', 'secret.changed'],
})

export const deleteCurrentSecret = route({
  id: 'current.delete',
  method: 'DELETE',
  path: '/api/v1/projects/current/secrets/{name}',
  summary: 'Always refused: no access key may delete',
  caller: 'machine',
  action: 'secret.delete',
  params: Type.Object({ name: Type.String({ maxLength: limits.secretNameBytes }) }),
  query: EnvironmentQuery,
  status: 204,
})
