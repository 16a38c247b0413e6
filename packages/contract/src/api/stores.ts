import Type, { type Static } from 'typebox'
import { limits } from '../limits.ts'
import { route } from '../route.ts'
import { Id, Name, Nullable, OneOf, Time } from './shapes.ts'

/*
 * Outside stores: HashiCorp Vault and OpenBao, AWS Secrets Manager, Azure Key Vault. Administrators say where they are and how
 * Keyhold signs in; owners of workspaces say what a workspace takes of them when its agent starts.
 */

export const storeKinds = ['vault', 'aws', 'azure'] as const
export type StoreKind = (typeof storeKinds)[number]

const Short = (description: string) =>
  Type.String({ minLength: 1, maxLength: 200, pattern: '^[\\u0021-\\u007e]+$', description })

const VaultSettings = Type.Object(
  {
    auth: OneOf(['token', 'approle'], { description: 'The credential is a token, or a secret id' }),
    roleId: Type.Optional(Short('With approle: the role id')),
    authMount: Type.Optional(Short('With approle: where it is mounted; default approle')),
    mount: Type.Optional(Short('Where the key-value engine is mounted; default secret')),
    kvVersion: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 2, description: 'Of the key-value engine; default 2' }),
    ),
    namespace: Type.Optional(Short('Of Vault Enterprise, HCP or OpenBao')),
  },
  { additionalProperties: false },
)
export type VaultSettings = Static<typeof VaultSettings>

const AwsSettings = Type.Object(
  {
    region: Type.String({ pattern: '^[a-z0-9-]{2,40}$', description: 'Such as eu-central-1' }),
    accessKeyId: Short('Belongs to the secret access key, which is the credential'),
  },
  { additionalProperties: false },
)
export type AwsSettings = Static<typeof AwsSettings>

const AzureSettings = Type.Object(
  {
    tenantId: Type.String({ pattern: '^[0-9A-Za-z.-]{1,100}$', description: 'Directory (tenant) id' }),
    clientId: Type.String({ pattern: '^[0-9A-Za-z-]{1,100}$', description: 'Application (client) id' }),
    authority: Type.Optional(
      Type.String({
        maxLength: limits.urlLength,
        description: 'Where tokens are asked for; default https://login.microsoftonline.com',
      }),
    ),
  },
  { additionalProperties: false },
)
export type AzureSettings = Static<typeof AzureSettings>

const Paths = Type.Array(Type.String({ minLength: 1, maxLength: limits.storePathLength }), {
  minItems: 1,
  maxItems: limits.pathsPerStore,
  description:
    'What workspaces may take. A * at the end stands for anything; {owner} for the e-mail address of the owner of the workspace, {workspace} for its id',
})

const Credential = Type.String({
  minLength: 1,
  maxLength: limits.storeCredentialLength,
  description: 'Token, secret id, secret access key or client secret. In no answer',
})

const Ca = Type.String({
  maxLength: limits.repositoryCaBytes,
  description: 'Certificates (PEM) to trust in place of the usual ones',
})

/** An outside store. What it is reached by is shown to administrators only. */
export const Store = Type.Object({
  id: Id,
  name: Type.String(),
  kind: OneOf(storeKinds),
  paths: Type.Array(Type.String()),
  createdAt: Time,
  updatedAt: Time,
  /** Absent for everybody but administrators. */
  details: Type.Optional(
    Type.Object({
      address: Type.String(),
      /** Trusted by a CA certificate of its own. */
      hasCa: Type.Boolean(),
      vault: Type.Optional(VaultSettings),
      aws: Type.Optional(AwsSettings),
      azure: Type.Optional(AzureSettings),
      /** What workspaces take of it. */
      sources: Type.Integer(),
    }),
  ),
})
export type Store = Static<typeof Store>

/** Which variable a value goes into. */
const SourceVariable = Type.Object(
  {
    name: Type.String({
      minLength: 1,
      maxLength: limits.secretNameBytes,
      description: 'Environment variable; not a reserved name',
    }),
    key: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: limits.storeKeyLength,
        description: 'Which of the values; without it all that is at the path, as text',
      }),
    ),
  },
  { additionalProperties: false },
)

export const failureModes = ['stop', 'warn'] as const
const FailureMode = OneOf(failureModes, {
  description: 'When it cannot be fetched: stop the start of the workspace, or go on with a warning',
})

/** What a workspace takes of a store when its agent starts. */
export const StoreSource = Type.Object({
  id: Id,
  storeId: Id,
  store: Type.String(),
  kind: OneOf(storeKinds),
  path: Type.String(),
  /** `null`: each of the values, in a variable of its own name. */
  variables: Nullable(Type.Array(SourceVariable)),
  onFailure: FailureMode,
  /** False once administrators no longer let the workspace take it: nothing of it is fetched. */
  isAllowed: Type.Boolean(),
  createdAt: Time,
})
export type StoreSource = Static<typeof StoreSource>

const StoreParams = Type.Object({ storeId: Id })
const WorkspaceParams = Type.Object({ workspaceId: Id })
const Path = Type.String({ minLength: 1, maxLength: limits.storePathLength })

export const listStores = route({
  id: 'store.list',
  method: 'GET',
  path: '/api/v1/stores',
  summary: 'List the outside stores, and what workspaces may take of them',
  caller: 'person',
  scope: 'settings:read',
  action: 'store.list',
  status: 200,
  answer: Type.Object({ stores: Type.Array(Store) }),
})

export const createStore = route({
  id: 'store.create',
  method: 'POST',
  path: '/api/v1/stores',
  summary: 'Register an outside store (administrators)',
  caller: 'person',
  scope: 'settings:write',
  action: 'store.create',
  body: Type.Object(
    {
      name: Name,
      kind: OneOf(storeKinds),
      address: Type.Optional(
        Type.String({
          minLength: 1,
          maxLength: limits.urlLength,
          description: 'An https URL; may be left out for AWS, whose region says it',
        }),
      ),
      credential: Credential,
      paths: Paths,
      ca: Type.Optional(Ca),
      vault: Type.Optional(VaultSettings),
      aws: Type.Optional(AwsSettings),
      azure: Type.Optional(AzureSettings),
    },
    { additionalProperties: false },
  ),
  status: 201,
  answer: Store,
  errors: ['store.exists', 'store.limit', 'session.reauthentication_required'],
})

export const updateStore = route({
  id: 'store.update',
  method: 'PATCH',
  path: '/api/v1/stores/{storeId}',
  summary: 'Change the name, credential, CA or paths of a store; its address stays (administrators)',
  caller: 'person',
  scope: 'settings:write',
  action: 'store.update',
  params: StoreParams,
  body: Type.Object(
    {
      name: Type.Optional(Name),
      credential: Type.Optional(Credential),
      paths: Type.Optional(Paths),
      ca: Type.Optional(Nullable(Ca)),
    },
    { additionalProperties: false, minProperties: 1 },
  ),
  status: 200,
  answer: Store,
  errors: ['store.not_found', 'store.exists', 'session.reauthentication_required'],
})

export const deleteStore = route({
  id: 'store.delete',
  method: 'DELETE',
  path: '/api/v1/stores/{storeId}',
  summary:
    'Remove a store; while workspaces take something of it, only when its name confirms it (administrators)',
  caller: 'person',
  scope: 'settings:write',
  action: 'store.delete',
  params: StoreParams,
  query: Type.Object({
    confirm: Type.Optional(Type.String({ description: 'The name of the store, exactly' })),
  }),
  status: 204,
  errors: ['store.not_found', 'store.in_use'],
})

export const checkStore = route({
  id: 'store.check',
  method: 'POST',
  path: '/api/v1/stores/{storeId}/check',
  summary:
    'Sign in to a store, and say what is wrong; with a path also which values are there, by name only (administrators)',
  caller: 'person',
  scope: 'settings:write',
  action: 'store.check',
  params: StoreParams,
  body: Type.Object({ path: Type.Optional(Path) }, { additionalProperties: false }),
  status: 200,
  answer: Type.Object({
    /** `null`: nothing. */
    problem: Nullable(Type.String()),
    /** Names of the values at the path; `null` without one, and where it holds a single value. */
    keys: Nullable(Type.Array(Type.String())),
  }),
  errors: ['store.not_found'],
})

export const listStoreSources = route({
  id: 'store-source.list',
  method: 'GET',
  path: '/api/v1/workspaces/{workspaceId}/store-sources',
  summary: 'List what a workspace takes of outside stores; never values (owner, Admin, Edit)',
  caller: 'person',
  scope: 'workspace-secrets:read',
  action: 'store-source.list',
  params: WorkspaceParams,
  status: 200,
  answer: Type.Object({ sources: Type.Array(StoreSource) }),
  errors: ['workspace.not_found'],
})

export const createStoreSource = route({
  id: 'store-source.create',
  method: 'POST',
  path: '/api/v1/workspaces/{workspaceId}/store-sources',
  summary: 'Let a workspace take something of an outside store whenever its agent starts (owner)',
  caller: 'person',
  scope: 'workspace-secrets:write',
  action: 'store-source.create',
  params: WorkspaceParams,
  body: Type.Object(
    {
      storeId: Id,
      path: Path,
      variables: Type.Optional(
        Type.Array(SourceVariable, { minItems: 1, maxItems: limits.variablesPerSource }),
      ),
      onFailure: Type.Optional(FailureMode),
    },
    { additionalProperties: false },
  ),
  status: 201,
  answer: StoreSource,
  errors: [
    'workspace.not_found',
    'store.not_found',
    'store_source.exists',
    'store_source.limit',
    'store_source.path_refused',
    'session.reauthentication_required',
  ],
})

export const deleteStoreSource = route({
  id: 'store-source.delete',
  method: 'DELETE',
  path: '/api/v1/workspaces/{workspaceId}/store-sources/{sourceId}',
  summary: 'Let a workspace no longer take something of an outside store (owner)',
  caller: 'person',
  scope: 'workspace-secrets:write',
  action: 'store-source.delete',
  params: Type.Object({ workspaceId: Id, sourceId: Id }),
  status: 204,
  errors: ['workspace.not_found', 'store_source.not_found'],
})
