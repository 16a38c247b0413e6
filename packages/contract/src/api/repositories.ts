import Type, { type Static } from 'typebox'
import { limits } from '../limits.ts'
import { route } from '../route.ts'
import { Id, Nullable, OneOf, Time } from './shapes.ts'

export const repositoryProviderTypes = ['github', 'gitlab', 'bitbucket'] as const
export type RepositoryProviderType = (typeof repositoryProviderTypes)[number]
export const RepositoryProviderType = OneOf(repositoryProviderTypes)

export const ProviderKind = OneOf(['default', 'internal'], {
  description: 'default: the cloud service; internal: a self-hosted one, with a base URL',
})

export const RepositoryMethod = OneOf(['oauth', 'ssh'], {
  description: "oauth: a token of the provider; ssh: the person's SSH key",
})

/** A code hosting service that an administrator registered. The client secret is in no answer. */
export const RepositoryProvider = Type.Object({
  id: Id,
  type: RepositoryProviderType,
  kind: ProviderKind,
  /** `github.com`, or host and port of the base URL: what git's addresses have to name exactly. */
  host: Type.String(),
  baseUrl: Type.String(),
  /** `null`: not registered as an OAuth application, so only SSH can be used. */
  clientId: Nullable(Type.String()),
  scopes: Type.Array(Type.String()),
  /** Trusted by a CA certificate of its own. */
  hasCa: Type.Boolean(),
  methods: Type.Array(RepositoryMethod),
  /** What the OAuth application has to name as its redirect or callback URL, exactly. */
  callbackUrl: Type.String(),
  /** Where people register their public SSH key. */
  sshKeysUrl: Type.String(),
  createdAt: Time,
  updatedAt: Time,
})
export type RepositoryProvider = Static<typeof RepositoryProvider>

export const RepositoryConnection = Type.Object({
  id: Id,
  providerId: Id,
  type: RepositoryProviderType,
  kind: ProviderKind,
  host: Type.String(),
  /** The one that git is offered. */
  method: RepositoryMethod,
  /** There is a token, so that the method can be oauth. */
  hasToken: Type.Boolean(),
  /** Name of the account at the provider; `null` without a token. */
  login: Nullable(Type.String()),
  /** What the provider granted, in its own words. */
  scopes: Type.Array(Type.String()),
  /** When the token ends; `null` without a token, or for one that does not end. Keyhold refreshes it before. */
  tokenExpiresAt: Nullable(Time),
  isRefreshable: Type.Boolean(),
  health: Type.Object({
    status: OneOf(['ok', 'broken']),
    /** Why it is broken, and what to do. */
    reason: Nullable(Type.String()),
  }),
  /** By SSH, what is to be registered at `sshKeysUrl`; `null` by OAuth, and without an SSH identity. */
  sshPublicKey: Nullable(Type.String()),
  sshKeysUrl: Type.String(),
  createdAt: Time,
  updatedAt: Time,
  /** `null`: "Never". Moves on within one minute of a use. */
  lastUsedAt: Nullable(Time),
})
export type RepositoryConnection = Static<typeof RepositoryConnection>

const BaseUrl = Type.String({
  minLength: 1,
  maxLength: limits.repositoryUrlLength,
  description: 'Address of the self-hosted service, such as https://git.example.com',
})
const ClientId = Type.String({ minLength: 1, maxLength: 256, pattern: '^[\\x21-\\x7e]+$' })
const ClientSecret = Type.String({
  minLength: 1,
  maxLength: 1024,
  pattern: '^[\\x21-\\x7e]+$',
  writeOnly: true,
})
const Ca = Type.String({
  maxLength: limits.repositoryCaBytes,
  description: 'Certificates in PEM that are trusted in place of the usual ones',
})
const Scopes = Type.Array(Type.String({ minLength: 1, maxLength: 100, pattern: '^[\\x21-\\x7e]+$' }), {
  maxItems: 30,
  uniqueItems: true,
  description: "Asked for when people connect, in the provider's words. Default: what git needs",
})

const ProviderParams = Type.Object({ providerId: Id })
const ConnectionParams = Type.Object({ connectionId: Id })

export const listRepositoryProviders = route({
  id: 'repository-provider.list',
  method: 'GET',
  path: '/api/v1/repository-providers',
  summary: 'List the code repository providers that can be connected',
  caller: 'person',
  scope: 'repositories:read',
  action: 'repository-provider.list',
  status: 200,
  answer: Type.Object({ providers: Type.Array(RepositoryProvider) }),
})

export const createRepositoryProvider = route({
  id: 'repository-provider.create',
  method: 'POST',
  path: '/api/v1/repository-providers',
  summary: 'Register a code repository provider (administrators)',
  caller: 'person',
  scope: 'settings:write',
  action: 'repository-provider.create',
  body: Type.Object(
    {
      type: RepositoryProviderType,
      kind: ProviderKind,
      baseUrl: Type.Optional(BaseUrl),
      clientId: Type.Optional(ClientId),
      clientSecret: Type.Optional(ClientSecret),
      ca: Type.Optional(Ca),
      scopes: Type.Optional(Scopes),
    },
    { additionalProperties: false },
  ),
  status: 201,
  answer: RepositoryProvider,
  errors: ['repository_provider.exists', 'repository_provider.limit'],
})

export const updateRepositoryProvider = route({
  id: 'repository-provider.update',
  method: 'PATCH',
  path: '/api/v1/repository-providers/{providerId}',
  summary: 'Change the OAuth application, CA or scopes of a provider (administrators)',
  caller: 'person',
  scope: 'settings:write',
  action: 'repository-provider.update',
  params: ProviderParams,
  body: Type.Object(
    {
      clientId: Type.Optional(ClientId),
      clientSecret: Type.Optional(ClientSecret),
      ca: Type.Optional(Nullable(Ca)),
      scopes: Type.Optional(Scopes),
    },
    { additionalProperties: false, minProperties: 1 },
  ),
  status: 200,
  answer: RepositoryProvider,
  errors: ['repository_provider.not_found'],
})

export const deleteRepositoryProvider = route({
  id: 'repository-provider.delete',
  method: 'DELETE',
  path: '/api/v1/repository-providers/{providerId}',
  summary: "Remove a provider; with people's connections only when its host confirms it (administrators)",
  caller: 'person',
  scope: 'settings:write',
  action: 'repository-provider.delete',
  params: ProviderParams,
  query: Type.Object({
    confirm: Type.Optional(
      Type.String({ description: 'The host of the provider, to remove connections too' }),
    ),
  }),
  status: 204,
  errors: ['repository_provider.not_found', 'repository_provider.in_use'],
})

export const listRepositoryConnections = route({
  id: 'repository.list',
  method: 'GET',
  path: '/api/v1/repository-connections',
  summary: 'List your connections to code repositories, never tokens',
  caller: 'person',
  scope: 'repositories:read',
  action: 'repository.list',
  status: 200,
  answer: Type.Object({ connections: Type.Array(RepositoryConnection) }),
})

export const connectRepository = route({
  id: 'repository.connect',
  method: 'POST',
  path: '/api/v1/repository-connections',
  summary: 'Connect a provider: by SSH at once, by OAuth the answer says where to go',
  caller: 'person',
  scope: 'repositories:write',
  action: 'repository.connect',
  body: Type.Object({ providerId: Id, method: RepositoryMethod }, { additionalProperties: false }),
  status: 201,
  answer: Type.Object({
    /** `null` until the provider has sent the browser back. */
    connection: Nullable(RepositoryConnection),
    /** Where the person says yes at the provider, within 10 minutes. `null` for SSH. */
    authorizationUrl: Nullable(Type.String()),
    /** The browser will show a code to give to `repository.confirm`; not where this session's browser is sent back. */
    needsConfirmation: Type.Boolean(),
  }),
  errors: [
    'repository_provider.not_found',
    'repository_provider.no_client',
    'repository_connection.exists',
    'repository_connection.pending_limit',
  ],
})

export const confirmRepository = route({
  id: 'repository.confirm',
  method: 'POST',
  path: '/api/v1/repository-connections/confirm',
  summary: 'Finish connecting with the code that the browser shows',
  caller: 'person',
  scope: 'repositories:write',
  action: 'repository.connect',
  body: Type.Object(
    { code: Type.String({ minLength: 1, maxLength: 64, writeOnly: true }) },
    { additionalProperties: false },
  ),
  status: 200,
  answer: RepositoryConnection,
  errors: ['repository_connection.confirmation'],
})

export const updateRepositoryConnection = route({
  id: 'repository.update',
  method: 'PATCH',
  path: '/api/v1/repository-connections/{connectionId}',
  summary: 'Switch a connection between OAuth and SSH',
  caller: 'person',
  scope: 'repositories:write',
  action: 'repository.update',
  params: ConnectionParams,
  body: Type.Object({ method: RepositoryMethod }, { additionalProperties: false }),
  status: 200,
  answer: RepositoryConnection,
  errors: ['repository_connection.not_found', 'repository_connection.no_token'],
})

export const disconnectRepository = route({
  id: 'repository.disconnect',
  method: 'DELETE',
  path: '/api/v1/repository-connections/{connectionId}',
  summary: 'Disconnect: delete the token here and revoke it at the provider',
  caller: 'person',
  scope: 'repositories:write',
  action: 'repository.disconnect',
  params: ConnectionParams,
  status: 200,
  answer: Type.Object({
    /** `none`: there was no token. `unsupported`: the provider has no way to revoke it. */
    revocation: OneOf(['revoked', 'failed', 'unsupported', 'none']),
    /** What is left to do, and where; `null` when nothing is. */
    next: Nullable(Type.String()),
  }),
  errors: ['repository_connection.not_found'],
})
