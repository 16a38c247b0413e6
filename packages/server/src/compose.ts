import { accessSync, constants, mkdirSync } from 'node:fs'
import type { AnyRoute } from '@keyhold/contract/route'
import { Secret } from '@keyhold/contract/secret'
import type { Logger } from 'pino'
import packageJson from '../package.json' with { type: 'json' }
import { Access } from './access/access.ts'
import type { Asker, Machine, Person, WorkspaceAgent } from './access/caller.ts'
import { accountRoutes } from './accounts/accounts.routes.ts'
import { Accounts } from './accounts/accounts.service.ts'
import { findInstanceValue, setInstanceValueOnce } from './accounts/accounts.store.ts'
import { IdentityProviders } from './accounts/identity-provider.service.ts'
import { identityProviderRoutes } from './accounts/identity-providers.routes.ts'
import { invitationRoutes } from './accounts/invitation.routes.ts'
import { Invitations } from './accounts/invitation.service.ts'
import { OidcClient } from './accounts/oidc-client.ts'
import { Passkeys } from './accounts/passkey.service.ts'
import { passkeyRoutes } from './accounts/passkeys.routes.ts'
import { ProviderSignIns } from './accounts/provider-sign-in.service.ts'
import { SecondFactors } from './accounts/second-factor.service.ts'
import { settingsRoutes } from './accounts/settings.routes.ts'
import { InstanceSettings } from './accounts/settings.service.ts'
import { SignInLimits } from './accounts/sign-in.routes.ts'
import { SignInAttempts } from './accounts/sign-in-attempts.ts'
import { activityRoutes } from './activity/activity.routes.ts'
import { AuditSender } from './activity/audit-sender.ts'
import { destinationRoutes } from './activity/destinations.routes.ts'
import { AuditDestinations } from './activity/destinations.service.ts'
import { AuditLog } from './audit/audit-log.ts'
import { AuditRetention } from './audit/audit-retention.ts'
import { AppError } from './base/app-error.ts'
import { type Clock, systemClock } from './base/clock.ts'
import { newId } from './base/ids.ts'
import { Mailer } from './base/mailer.ts'
import type { Origin } from './base/origin.ts'
import { Outgoing } from './base/outgoing.ts'
import { type Config, ConfigError } from './config/config.ts'
import { accessKeyRoutes } from './credentials/access-key/access-key.routes.ts'
import { AccessKeys } from './credentials/access-key/access-key.service.ts'
import { accessTokenRoutes } from './credentials/access-token/access-token.routes.ts'
import { AccessTokens } from './credentials/access-token/access-token.service.ts'
import { deviceLoginRoutes } from './credentials/access-token/device-login.routes.ts'
import { DeviceLogins } from './credentials/access-token/device-login.service.ts'
import { apiKeyRoutes } from './credentials/api-key/api-key.routes.ts'
import { ApiKeys } from './credentials/api-key/api-key.service.ts'
import { deliveryRoutes } from './credentials/delivery/delivery.routes.ts'
import { Deliveries } from './credentials/delivery/delivery.service.ts'
import { gpgKeyRoutes } from './credentials/gpg-key/gpg-key.routes.ts'
import { GpgKeys } from './credentials/gpg-key/gpg-key.service.ts'
import { inventoryRoutes } from './credentials/inventory/inventory.routes.ts'
import { Inventory } from './credentials/inventory/inventory.service.ts'
import { reminderRoutes } from './credentials/inventory/reminders.routes.ts'
import { Reminders } from './credentials/inventory/reminders.service.ts'
import { personalSecretRoutes } from './credentials/personal-secret/personal-secret.routes.ts'
import { PersonalSecrets } from './credentials/personal-secret/personal-secret.service.ts'
import { repositoryRoutes } from './credentials/repository/repository.routes.ts'
import { Repositories } from './credentials/repository/repository.service.ts'
import { RepositoryGpgKeys } from './credentials/repository/repository-gpg.service.ts'
import { RepositoryProviders } from './credentials/repository/repository-provider.service.ts'
import { RepositoryTokens } from './credentials/repository/repository-tokens.service.ts'
import { VendorClient } from './credentials/repository/vendor-client.ts'
import { EnvironmentRestores } from './credentials/secret/environment-restore.service.ts'
import { secretRoutes } from './credentials/secret/secret.routes.ts'
import { Secrets } from './credentials/secret/secret.service.ts'
import { SecretChanges } from './credentials/secret/secret-changes.service.ts'
import { secretOffers, secretsState } from './credentials/secret/secret-offers.ts'
import { secretOverrideRoutes } from './credentials/secret/secret-override.routes.ts'
import { SecretOverrides } from './credentials/secret/secret-override.service.ts'
import { SecretWatches } from './credentials/secret/secret-watches.service.ts'
import { usableSecrets } from './credentials/secret/usable-secrets.ts'
import { sshIdentityRoutes } from './credentials/ssh-identity/ssh-identity.routes.ts'
import { SshIdentities } from './credentials/ssh-identity/ssh-identity.service.ts'
import { sshKeyRoutes } from './credentials/ssh-key/ssh-key.routes.ts'
import { SshKeys } from './credentials/ssh-key/ssh-key.service.ts'
import { useRoutes } from './credentials/use/use.routes.ts'
import { Uses } from './credentials/use/use.service.ts'
import { workloadIdentityRoutes } from './credentials/workload-identity/workload-identity.routes.ts'
import { WorkloadIdentities } from './credentials/workload-identity/workload-identity.service.ts'
import { workspaceSecretRoutes } from './credentials/workspace-secret/workspace-secret.routes.ts'
import { WorkspaceSecrets } from './credentials/workspace-secret/workspace-secret.service.ts'
import { FailedAttempts } from './http/attempts.ts'
import type { Credential } from './http/credential.ts'
import { type Authenticated, Http } from './http/http.ts'
import { collectMetrics, listenForMetrics } from './http/metrics.ts'
import { openapi } from './http/openapi.ts'
import { operationRoutes, type Readiness, sealedRoutes } from './http/operations.ts'
import { webRoutes } from './http/web.ts'
import { projectRoutes } from './projects/projects.routes.ts'
import { Projects } from './projects/projects.service.ts'
import { Schedule } from './schedule/schedule.ts'
import { type Entrance, sshRoutes } from './ssh-gateway/ssh.routes.ts'
import { SshGateway } from './ssh-gateway/ssh-gateway.ts'
import { openStorage, type Storage } from './storage/storage.ts'
import type { Transaction } from './storage/tables.ts'
import { Backups } from './upkeep/backups.service.ts'
import { RootKeys } from './upkeep/root-keys.service.ts'
import { Servers } from './upkeep/servers.ts'
import { listenForPassphrase } from './upkeep/unseal-socket.ts'
import { deriveRootKey, readRootKeyFiles } from './vault/root-key.ts'
import { chooseRootKey } from './vault/rotation.ts'
import { SshHostKey } from './vault/ssh-host-keys.ts'
import { Vault } from './vault/vault.ts'
import { AgentConnections } from './workspaces/agent-connections.ts'
import { agentRoutes } from './workspaces/agents.routes.ts'
import { AGENT_PREFIX, Agents } from './workspaces/agents.service.ts'
import { workspaceRoutes } from './workspaces/workspaces.routes.ts'
import { Workspaces } from './workspaces/workspaces.service.ts'

/** Wrong tokens and keys per address and minute before the address has to wait. */
const WRONG_CREDENTIALS_MAX = 120
const MINUTE_MS = 60_000
/** Refused SSH logins of an address and minute that are recorded: scanners must not fill the log. */
const RECORDED_LOGINS_MAX = 10
const HOUR_MS = 60 * MINUTE_MS
/** How often people are looked for who have to be reminded of something. */
const REMINDERS_MS = 60 * MINUTE_MS

/** Everything below HTTP, joined. */
export interface Core {
  readonly storage: Storage
  readonly vault: Vault
  readonly audit: AuditLog
  readonly access: Access
  readonly auditDestinations: AuditDestinations
  readonly auditSender: AuditSender
  readonly auditRetention: AuditRetention
  readonly outgoing: Outgoing
  readonly accounts: Accounts
  readonly accessTokens: AccessTokens
  readonly deviceLogins: DeviceLogins
  readonly projects: Projects
  readonly workspaces: Workspaces
  readonly agents: Agents
  readonly workspaceSecrets: WorkspaceSecrets
  readonly deliveries: Deliveries
  /** By which the SSH gateway is known, and what vouches for workspaces. */
  readonly sshKeysOfInstance: { readonly gateway: SshHostKey; readonly certificateAuthority: SshHostKey }
  readonly secrets: Secrets
  readonly uses: Uses
  readonly secretWatches: SecretWatches
  readonly secretChanges: SecretChanges
  readonly environmentRestores: EnvironmentRestores
  readonly secretOverrides: SecretOverrides
  readonly repositories: Repositories
  readonly repositoryTokens: RepositoryTokens
  readonly repositoryGpgKeys: RepositoryGpgKeys
  readonly repositoryProviders: RepositoryProviders
  readonly accessKeys: AccessKeys
  readonly invitations: Invitations
  readonly workloadIdentities: WorkloadIdentities
  readonly settings: InstanceSettings
  readonly secondFactors: SecondFactors
  readonly signInAttempts: SignInAttempts
  readonly passkeys: Passkeys
  readonly identityProviders: IdentityProviders
  readonly providerSignIns: ProviderSignIns
  readonly inventory: Inventory
  readonly personalSecrets: PersonalSecrets
  readonly reminders: Reminders
  readonly gpgKeys: GpgKeys
  readonly sshIdentities: SshIdentities
  readonly sshKeys: SshKeys
  readonly apiKeys: ApiKeys
  readonly servers: Servers
  readonly rootKeys: RootKeys
  readonly backups: Backups
  readonly instanceId: string
  /** Where a new root key was written, when this start made one. */
  readonly newRootKeyPath?: string
  close(): Promise<void>
}

/** Makes the data directory, or sees that it can be used. @throws ConfigError */
export function makeDataDir({ dataDir }: Config): void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    accessSync(dataDir, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    throw unusable('KEYHOLD_DATA_DIR: cannot use that directory', error)
  }
}

/** What a variable leads to cannot be used. The cause's text may quote a value, its code does not. */
function unusable(message: string, error: unknown): ConfigError {
  let cause = error
  while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'no answer'
  return new ConfigError(`${message} (${code})`, { cause: error })
}

/** Says at which address, and what to type when somebody else has it. */
function cannotListen({ http: { host, port } }: Config, error: unknown): ConfigError {
  const name = host.includes(':') ? `[${host}]` : host
  const { message } = unusable(`KEYHOLD_HTTP_ADDR: cannot listen at ${name}:${port}`, error)
  const next = message.endsWith('(EADDRINUSE)')
    ? `: another program listens there. Take another port: KEYHOLD_HTTP_ADDR=${name}:${port < 65_535 ? port + 1 : port - 1} npm start`
    : ''
  return new ConfigError(message + next, { cause: error })
}

/** Opens database and vault and joins the parts. @param outgoing the way out, for tests. @throws WrongRootKeyError and errors of the database. */
export async function composeCore(
  config: Config,
  clock: Clock = systemClock,
  outgoing: Outgoing = new Outgoing(config.outgoingAllow),
): Promise<Core> {
  makeDataDir(config)
  const storage = await openStorage(
    config.databaseUrl ? { databaseUrl: config.databaseUrl } : { dataDir: config.dataDir },
  ).catch((error: unknown) => {
    throw config.databaseUrl
      ? unusable('KEYHOLD_DATABASE_URL: cannot use the PostgreSQL database', error)
      : error
  })
  try {
    const isNew =
      (await storage.db.selectFrom('keyring').select('version').limit(1).executeTakeFirst()) === undefined
    const { files, isNew: isNewRootKey } = config.rootKey
      ? { files: [{ key: config.rootKey, path: '' }], isNew: false }
      : await readRootKeyFiles(
          config.dataDir,
          isNew,
          config.rootKeyPassphrase === undefined ? undefined : new Secret(config.rootKeyPassphrase),
        )
    const [first, ...others] = files.map(({ key }) => deriveRootKey(key))
    // `!`: without any, reading them throws.
    const root = await chooseRootKey(storage.db, [first!, ...others])
    const vault = await Vault.open(storage, root, clock)
    const instanceId = await readInstanceId(storage)
    const audit = new AuditLog(storage, vault, clock, instanceId)
    const access = new Access(storage, audit, clock)
    const settings = new InstanceSettings(storage, access)
    const destinationParts = { storage, access, audit, vault, outgoing, clock }
    const auditDestinations = new AuditDestinations(destinationParts)
    const secondFactors = new SecondFactors(storage, access, vault, settings, clock)
    const accounts = new Accounts(storage, access, audit, secondFactors, clock)
    const signInAttempts = new SignInAttempts(storage, clock)
    const projects = new Projects(storage, access, accounts, clock)
    const mailer = new Mailer(config.mail)
    const oidc = new OidcClient(outgoing, vault.deriveKey('provider-sign-in'))
    const accessTokens = new AccessTokens(storage, access, clock)
    const accessKeys = new AccessKeys(storage, access, audit, clock)
    const secrets = new Secrets(storage, access, vault, clock)
    const secretChanges = new SecretChanges(access, vault, clock)
    const personalSecrets = new PersonalSecrets(storage, access, vault, clock)
    const workspaces = new Workspaces(storage, access, accounts, projects, clock)
    const workspaceSecrets = new WorkspaceSecrets({ storage, access, vault, clock }, workspaces)
    const deliveries = new Deliveries(access, {
      findWorkspace: (id) => workspaces.findForDelivery(id),
      workspaceOffers: (workspace) => workspaceSecrets.offers(workspace),
      projectOffers: ({ projectId, id, environment }) => secretOffers(storage, projectId, id, environment),
      projectState: (projectId) => secretsState(storage, projectId),
      deliverProject: (asker, projectId, environment, ids) =>
        secrets.readFor(asker, projectId, environment, ids),
      deliverWorkspace: (asker, ids) => workspaceSecrets.deliverOffered(asker, ids),
      deliverPersonal: (asker, ids) => personalSecrets.deliverOffered(asker, ids),
      personalOffers: ({ id, owner }) => personalSecrets.offers(owner, id),
    })
    const sshIdentities = new SshIdentities(storage, access, accounts, vault, clock)
    const sshKeys = new SshKeys(storage, access, clock)
    const apiKeys = new ApiKeys(storage, access, vault, clock)
    const vendorClient = new VendorClient(outgoing)
    const repositoryTokens = new RepositoryTokens(storage, access, vault, clock, vendorClient)
    const repositoryGpgKeys = new RepositoryGpgKeys(storage, repositoryTokens, vendorClient)
    const repositories = new Repositories(
      storage,
      access,
      accounts,
      vault,
      clock,
      vendorClient,
      repositoryTokens,
      config.publicUrl,
    )
    const gpgKeys = new GpgKeys({ storage, access, accounts, vault, hosts: repositoryGpgKeys, clock })
    const sources = [
      accessTokens,
      accessKeys,
      repositories,
      personalSecrets,
      sshKeys,
      apiKeys,
      sshIdentities,
      gpgKeys,
      secrets,
      workspaceSecrets,
    ]
    const certificateAuthority = new SshHostKey(vault.deriveKey('ssh-host-certificates'))
    const servers = new Servers(storage, vault, clock, packageJson.version)
    const inventory = new Inventory(access, settings, sources, clock)
    return {
      storage,
      vault,
      audit,
      access,
      auditDestinations,
      auditSender: new AuditSender(
        { ...destinationParts, directory: config.auditDir, hostname: new URL(config.publicUrl).hostname },
        auditDestinations,
      ),
      auditRetention: new AuditRetention({
        storage,
        audit,
        clock,
        retention: async (tx) => ({
          days: (await settings.locked(tx)).auditRetentionDays,
          neededFrom: await auditDestinations.sentUpTo(tx),
        }),
      }),
      outgoing,
      accounts,
      settings,
      secondFactors,
      signInAttempts,
      passkeys: new Passkeys({
        storage,
        access,
        audit,
        accounts,
        secondFactors,
        attempts: signInAttempts,
        clock,
        publicUrl: config.publicUrl,
      }),
      identityProviders: new IdentityProviders({ storage, access, vault, clock, outgoing, oidc }),
      providerSignIns: new ProviderSignIns({
        storage,
        access,
        audit,
        accounts,
        attempts: signInAttempts,
        oidc,
        vault,
        clock,
        publicUrl: config.publicUrl,
      }),
      accessTokens,
      deviceLogins: new DeviceLogins(storage, access, accounts, accessTokens, clock),
      projects,
      workloadIdentities: new WorkloadIdentities({
        storage,
        access,
        audit,
        outgoing,
        clock,
        publicUrl: config.publicUrl,
      }),
      invitations: new Invitations({
        storage,
        access,
        audit,
        accounts,
        projects,
        mailer,
        clock,
        publicUrl: config.publicUrl,
      }),
      workspaces,
      workspaceSecrets,
      deliveries,
      agents: new Agents({ storage, access, audit, clock, certificateAuthority }),
      sshKeysOfInstance: {
        gateway: new SshHostKey(vault.deriveKey('ssh-gateway')),
        certificateAuthority,
      },
      secrets,
      uses: new Uses(storage, access, clock),
      secretWatches: new SecretWatches(storage, access, clock),
      secretChanges,
      environmentRestores: new EnvironmentRestores(storage, access, vault, clock, secretChanges),
      secretOverrides: new SecretOverrides(storage, access, vault, clock),
      repositories,
      repositoryTokens,
      repositoryGpgKeys,
      repositoryProviders: new RepositoryProviders(storage, access, vault, clock, outgoing),
      accessKeys,
      personalSecrets,
      inventory,
      reminders: new Reminders({
        storage,
        access,
        accounts,
        settings,
        inventory,
        vault,
        mailer,
        outgoing,
        clock,
        publicUrl: config.publicUrl,
      }),
      gpgKeys,
      sshIdentities,
      sshKeys,
      apiKeys,
      servers,
      backups: new Backups(storage, access, audit, vault),
      instanceId,
      rootKeys: new RootKeys(storage, access, vault, servers, clock),
      ...(isNewRootKey && { newRootKeyPath: files[0]!.path }),
      close: async () => {
        await audit.close()
        await storage.close()
      },
    }
  } catch (error) {
    await storage.close()
    throw error
  }
}

async function readInstanceId(storage: Storage): Promise<string> {
  return (
    (await findInstanceValue(storage.db, 'id')) ??
    storage.transaction((tx) => setInstanceValueOnce(tx, 'id', newId('kh').slice(3)))
  )
}

export interface Server {
  readonly http: Http<Person, Machine, WorkspaceAgent>
  readonly agentConnections: AgentConnections
  readonly gateway: SshGateway
  /** Where the gateway is reached, once it listens. */
  readonly entrance: Entrance
  readonly schedule: Schedule
  /** Listens; resolves with the address that is reached. */
  listen(): Promise<string>
  /** Says that it is not ready, and goes on answering: before {@link close}, where a balancer has to notice. */
  drain(): void
  /** Lets running requests end, then closes everything. */
  close(): Promise<void>
}

/** Joins the parts to HTTP. @param webFolder the built web application; where there is none, its pages are text. */
export async function composeServer(
  config: Config,
  core: Core,
  logger: Logger,
  clock: Clock = systemClock,
  webFolder = new URL('../../web/dist/', import.meta.url),
): Promise<Server> {
  const { accounts, accessTokens, accessKeys, access } = core
  const wrongCredentials = new FailedAttempts(clock, WRONG_CREDENTIALS_MAX, MINUTE_MS)

  async function identify(
    credential: Credential,
    origin: Origin,
    isRecorded: boolean,
  ): Promise<Authenticated<Person, Machine, WorkspaceAgent> | undefined> {
    if (credential.kind === 'access-key') {
      const caller = WorkloadIdentities.isCredentialId(credential.id)
        ? await core.workloadIdentities.authenticate(credential.id, credential.secret)
        : await accessKeys.authenticate(credential.id, credential.secret, origin, isRecorded)
      return caller && { kind: 'machine', caller }
    }
    if (credential.kind === 'access-token' && credential.token.startsWith(AGENT_PREFIX)) {
      const caller = await core.agents.authenticate(credential.token, origin)
      return caller && { kind: 'workspace', caller }
    }
    const caller =
      credential.kind === 'session'
        ? await accounts.authenticateSession(credential.token)
        : await accessTokens.authenticate(credential.token)
    return caller && { kind: 'person', caller }
  }

  /** Who that is by now, which is no use of the credential: a session that only listens comes to its end. */
  async function identifyAgain(
    before: Authenticated<Person, Machine, WorkspaceAgent>,
    credential: Credential,
    origin: Origin,
  ): Promise<Authenticated<Person, Machine, WorkspaceAgent> | undefined> {
    if (before.kind === 'person' && credential.kind === 'session') {
      const { accountId, credential: session } = before.caller
      const caller = await accounts.findSessionPerson(accountId, session.id)
      return caller && { kind: 'person', caller }
    }
    return identify(credential, origin, false).catch((error: unknown) => {
      if (error instanceof AppError && error.code === 'access.address_refused') return undefined
      throw error
    })
  }

  const http = new Http<Person, Machine, WorkspaceAgent>({
    publicUrl: config.publicUrl,
    trustedProxies: config.trustedProxies,
    tls: config.tls,
    logger,
    authenticate: async (credential, origin) => {
      // Valid credentials pass whatever others at the same address do: 256 random bits need no limit to guessing. The
      // limit is for the log, which refusals of a known key would fill.
      const address = origin.address ?? ''
      const isWithin = wrongCredentials.isAllowed(address)
      try {
        const who = await identify(credential, origin, isWithin)
        if (who) return who
      } catch (error) {
        if (!(error instanceof AppError && error.code === 'access.address_refused')) throw error
        wrongCredentials.recordFailure(address)
        wrongCredentials.assertAllowed(address)
        throw error
      }
      wrongCredentials.assertAllowed(address)
      wrongCredentials.recordFailure(address)
      return undefined
    },
    admit: async (row, who, origin) => {
      const refusal = whyNotAdmitted(row, who) ?? (await whyNotEnrolled(core.settings, row, who))
      // A row without an action touches nothing that is recorded; the refusal is then one of reading.
      if (refusal)
        throw await access.refuse(
          { caller: who.caller, origin } as Asker,
          row.action ?? 'project.read',
          refusal,
        )
    },
    isStillAdmitted: async (row, before, credential, origin) => {
      const who = await identifyAgain(before, credential, origin)
      return (
        who !== undefined &&
        whyNotAdmitted(row, who) === undefined &&
        (await whyNotEnrolled(core.settings, row, who)) === undefined
      )
    },
    used: (who, origin) => {
      // That an agent is connected is said elsewhere.
      if (who.kind === 'workspace') return undefined
      // A workload identity was noted as used when its machine was let in.
      if (who.kind === 'machine')
        return who.caller.workload ? undefined : accessKeys.used(who.caller, origin.address)
      const { credential } = who.caller
      return credential.kind === 'access-token'
        ? accessTokens.used(credential.id, credential.lastUsedAt)
        : undefined
    },
  })

  const { address: metricsAddress, token: metricsToken } = config.metrics
  const agentConnections = new AgentConnections(
    {
      storage: core.storage,
      access,
      audit: core.audit,
      clock,
      serverId: core.servers.id,
    },
    (error) => logger.warn({ err: error }, 'cannot keep the connection of an agent'),
  )
  const wantsMetrics = metricsAddress !== undefined || metricsToken !== undefined
  const metrics = wantsMetrics
    ? await collectMetrics(http.fastify, {
        keyhold_audit_available: () => (core.audit.problem === undefined ? 1 : 0),
        keyhold_audit_destinations_failing: () => core.auditSender.health.failing,
        keyhold_audit_destinations_pending_records: () => core.auditSender.health.pending,
        keyhold_watches_open: () => core.secretWatches.size,
      })
    : async () => ''

  const signInLimits = new SignInLimits(clock)
  const addToken = async (tx: Transaction, account: { id: string }, name: string) =>
    (await accessTokens.add(tx, account.id, { name, scopes: null, expiresAt: null })).token
  accountRoutes(http, accounts, core.secondFactors, signInLimits, addToken)
  passkeyRoutes(http, core.passkeys, signInLimits)
  invitationRoutes(http, core.invitations, clock, addToken)
  identityProviderRoutes(http, {
    providers: core.identityProviders,
    signIns: core.providerSignIns,
    accounts,
    limits: signInLimits,
    publicUrl: config.publicUrl,
  })
  accessTokenRoutes(http, accessTokens, core.settings, clock)
  deviceLoginRoutes(http, core.deviceLogins, core.settings, clock, config.publicUrl)
  settingsRoutes(http, core.settings)
  inventoryRoutes(http, core.inventory)
  reminderRoutes(http, core.reminders, clock)
  projectRoutes(http, core.projects)
  workspaceRoutes(http, core.workspaces, clock)
  agentRoutes(http, core.agents, agentConnections)
  deliveryRoutes(http, core.deliveries)
  workspaceSecretRoutes(http, core.workspaceSecrets, core.settings, clock)
  const entrance: Entrance = { gateway: undefined }
  sshRoutes(http, core.agents, access, entrance, core.sshKeysOfInstance)
  useRoutes(http, core.uses, (projectId, environment) => usableSecrets(clock, projectId, environment))
  secretRoutes(
    http,
    {
      secrets: core.secrets,
      changes: core.secretChanges,
      restores: core.environmentRestores,
      watches: core.secretWatches,
    },
    core.settings,
    clock,
  )
  secretOverrideRoutes(http, core.secretOverrides)
  repositoryRoutes(http, core.repositories, core.repositoryProviders, config.publicUrl, (accountId) =>
    core.sshIdentities.publicKeyOf(accountId),
  )
  accessKeyRoutes(http, accessKeys, core.projects, clock)
  workloadIdentityRoutes(http, core.workloadIdentities, clock)
  personalSecretRoutes(http, core.personalSecrets, clock)
  gpgKeyRoutes(http, core.gpgKeys, clock)
  sshIdentityRoutes(http, core.sshIdentities)
  sshKeyRoutes(http, core.sshKeys, clock)
  apiKeyRoutes(http, core.apiKeys, clock)
  destinationRoutes(http, core.auditDestinations)
  activityRoutes(http, core.audit, access, accounts, core.projects)
  const refusedLogins = new FailedAttempts(clock, RECORDED_LOGINS_MAX, MINUTE_MS)
  const gateway = new SshGateway({
    access,
    audit: core.audit,
    connections: agentConnections,
    findKey: (key) => core.sshKeys.findForLogin(key),
    keyUsed: (id) => core.sshKeys.used(id),
    keyLines: (accountId) => core.sshKeys.linesForLogin(accountId),
    findPerson: (accountId, keyId) => findPerson(accounts, accountId, keyId),
    hostKey: core.sshKeysOfInstance.gateway.privateText(),
    isRecorded: (address) => {
      const isWithin = refusedLogins.isAllowed(address)
      if (isWithin) refusedLogins.recordFailure(address)
      return isWithin
    },
    logger,
  })
  let isDraining = false
  operationRoutes(http.fastify, {
    readiness: async () => {
      const { isReady, checks } = await readiness(core)
      return isDraining ? { isReady: false, checks: { ...checks, server: 'stopping' } } : { isReady, checks }
    },
    metricsToken,
    metrics,
    openapi: () => openapi(packageJson.version),
    publicUrl: config.publicUrl,
    errorPages: new URL('../../../docs/errors/', import.meta.url),
    hasWeb: webRoutes(http.fastify, webFolder),
  })

  const schedule = new Schedule(
    core.storage,
    clock,
    [
      { name: 'reminders', everyMs: REMINDERS_MS, run: (stopping) => core.reminders.run(stopping) },
      {
        name: 'repository-authorizations',
        everyMs: MINUTE_MS,
        run: () => core.repositories.discardUnfinished(),
      },
      { name: 'reported-uses', everyMs: HOUR_MS, run: () => core.uses.forget() },
      { name: 'deleted-secrets', everyMs: HOUR_MS, run: () => core.environmentRestores.forgetDeleted() },
      { name: 'audit-retention', everyMs: HOUR_MS, run: (stopping) => core.auditRetention.run(stopping) },
      { name: 'audit-proofs', everyMs: MINUTE_MS, run: () => core.audit.prepare() },
      { name: 'sign-in-attempts', everyMs: MINUTE_MS, run: () => core.signInAttempts.discardExpired() },
    ],
    (job, error) => logger.warn({ err: error, job: job.name }, 'a job failed'),
  )
  schedule.start()
  core.auditSender.start((error) => logger.warn({ err: error }, 'cannot look where the audit log is sent'))
  const keeping = setInterval(() => {
    core.audit
      .keepCheckpoint()
      .catch((error: unknown) => logger.warn({ err: error }, 'cannot keep a checkpoint'))
  }, MINUTE_MS)
  keeping.unref()
  const metricsServer =
    metricsAddress &&
    (await listenForMetrics(metrics, metricsAddress).catch((error: unknown) => {
      throw unusable('KEYHOLD_METRICS_ADDR: cannot listen there', error)
    }))

  return {
    http,
    agentConnections,
    gateway,
    entrance,
    schedule,
    listen: async () => {
      const address = await http.fastify
        .listen({ host: config.http.host || '::', port: config.http.port })
        .catch((error: unknown) => {
          throw cannotListen(config, error)
        })
      entrance.gateway = await listenForSsh(gateway, config, logger)
      await core.servers.start((error) => logger.warn({ err: error }, 'cannot say that this server runs'))
      return address
    },
    drain: () => {
      isDraining = true
      http.drain()
      core.secretWatches.stop()
    },
    close: async () => {
      clearInterval(keeping)
      core.secretWatches.stop()
      // At once: a job that waits for somebody else's server must not keep requests coming in.
      await gateway.close()
      http.closeSockets()
      await Promise.all([schedule.stop(), core.auditSender.stop(), http.fastify.close()])
      await agentConnections.stop()
      await core.servers.stop().catch(() => {}) // It is forgotten by itself.
      metricsServer?.close()
      metricsServer?.closeAllConnections()
      await core.audit
        .keepCheckpoint()
        .catch((error: unknown) => logger.warn({ err: error }, 'cannot keep a checkpoint'))
      await core.close()
    },
  }
}

/** Whoever has proven to have a key of theirs. */
async function findPerson(accounts: Accounts, accountId: string, keyId: string): Promise<Person | undefined> {
  const account = await accounts.find(accountId)
  if (!account || account.disabledAt !== null) return undefined
  return {
    kind: 'person',
    accountId,
    name: account.name,
    role: account.role,
    mustChangePassword: account.mustChangePassword,
    hasSecondFactor: account.hasSecondFactor,
    credential: { kind: 'ssh-key', id: keyId, expiresAt: null },
  }
}

/** Opens the gateway. @returns where it is reached; undefined when there is none. @throws ConfigError */
async function listenForSsh(
  gateway: SshGateway,
  { ssh, publicUrl }: Config,
  logger: Logger,
): Promise<Entrance['gateway']> {
  if (!ssh.address) return undefined
  try {
    const port = await gateway.listen(ssh.address)
    return ssh.publicAddress ?? { host: new URL(publicUrl).hostname, port }
  } catch (error) {
    if (!ssh.isDefault) throw unusable('KEYHOLD_SSH_ADDR: cannot listen there', error)
    logger.warn({ err: error }, 'no SSH gateway: port 2222 cannot be had; set KEYHOLD_SSH_ADDR')
    return undefined
  }
}

/** A server whose root key nobody has opened yet. */
export interface SealedServer {
  /** Where it says so to everybody. */
  readonly address: string
  /** Resolves with what opens the root key. */
  readonly passphrase: Promise<Secret<string>>
  close(): Promise<void>
}

/** Listens, touches no database, and waits for the passphrase. @throws ConfigError */
export async function composeSealedServer(config: Config, logger: Logger): Promise<SealedServer> {
  const http = new Http<Person, Machine>({
    publicUrl: config.publicUrl,
    trustedProxies: config.trustedProxies,
    tls: config.tls,
    logger,
    authenticate: async () => undefined,
    isStillAdmitted: async () => false,
    admit: async () => {},
    used: () => undefined,
  })
  sealedRoutes(http.fastify)
  const open = async (passphrase: Secret<string>) => {
    const { files } = await readRootKeyFiles(config.dataDir, false, passphrase).catch((error: unknown) => {
      logger.warn({ err: error }, 'the root key was not opened')
      throw error
    })
    return deriveRootKey(files[0]!.key).fingerprint // `!`: without any, reading them throws.
  }
  const { passphrase, close } = await listenForPassphrase(config.dataDir, open)
  const address = await http.fastify
    .listen({ host: config.http.host || '::', port: config.http.port })
    .catch((error: unknown) => {
      throw cannotListen(config, error)
    })
  return {
    address,
    passphrase,
    close: async () => {
      close()
      const closing = http.fastify.close()
      // Answers are short. Who keeps a connection comes again.
      http.fastify.server.closeAllConnections()
      await closing
    },
  }
}

/** What somebody may do whom an identity provider has named and who has a second factor here. */
const finishesSignIn: ReadonlySet<string> = new Set([
  'session.get',
  'session.delete',
  'session.second_factor',
  'session.reauthenticate',
  'session.reauthenticate_passkey_begin',
  'session.reauthenticate_passkey',
])

/** The wrong kind of caller, a token without the scope, a temporary password. */
function whyNotAdmitted(row: AnyRoute, who: Authenticated<Person, Machine, WorkspaceAgent>) {
  if (row.caller !== who.kind) return row.path.includes('/projects/') ? 'project.not_found' : 'access.refused'
  if (who.kind !== 'person') return undefined
  const { credential, mustChangePassword } = who.caller
  const isAboutSession = row.id === 'account.password' || row.id.startsWith('session.')
  if (credential.kind === 'session' && credential.needsSecondFactor && !finishesSignIn.has(row.id))
    return 'session.second_factor_required'
  if (mustChangePassword && !isAboutSession) return 'account.password_change_required'
  if (credential.kind !== 'access-token' || credential.scopes === null) return undefined
  // Without a scope on the row: reading who one is suits any token, the rest needs a whole one.
  const isCovered = row.scope ? credential.scopes.includes(row.scope) : row.id === 'session.get'
  return isCovered ? undefined : 'access.scope_missing'
}

/** Where everybody has to have a second factor, whoever has none may do nothing but get one. */
async function whyNotEnrolled(
  settings: InstanceSettings,
  row: AnyRoute,
  who: Authenticated<Person, Machine, WorkspaceAgent>,
) {
  if (who.kind !== 'person' || who.caller.hasSecondFactor) return undefined
  const isAboutSigningIn = /^(?:second-factor|passkey|identity-link|session|account[.]password)/.test(row.id)
  if (isAboutSigningIn || !(await settings.current()).requireSecondFactor) return undefined
  return 'second_factor.required'
}

/** Whether requests can be served, and if not, why. */
async function readiness(core: Core): Promise<Readiness> {
  const { storage, servers, rootKeys, vault, audit, auditSender } = core
  const database = await storage.db
    .selectFrom('instance')
    .select('name')
    .limit(1)
    .execute()
    .then(
      () => 'ok',
      (error: unknown) => `unavailable: ${error instanceof AppError ? error.code : 'no answer'}`,
    )
  const checks = {
    database,
    recoveryKit: await rootKeys.kitHealth().catch(() => 'unknown'),
    rootKey: await servers.rootKeyHealth().catch(() => `ok: ${vault.rootFingerprint}`),
    audit: audit.problem === undefined ? 'ok' : `unavailable: ${audit.problem}`,
    // A warning: what is delivered does not wait for those who watch.
    ...(auditSender.health.count > 0 && { auditDestinations: destinationsLine(auditSender.health) }),
  }
  return { isReady: database === 'ok' && audit.problem === undefined, checks }
}

function destinationsLine({ count, failing, pending }: AuditSender['health']): string {
  if (failing === 0) return 'ok'
  return `warning: ${failing} of ${count} failing, up to ${pending} records behind`
}
