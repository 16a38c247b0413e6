import { networkInterfaces } from 'node:os'
import type { Logger } from 'pino'
import packageJson from '../../package.json' with { type: 'json' }
import type { Machine, Person, WorkspaceAgent } from '../access/caller.ts'
import { accountRoutes } from '../accounts/accounts.routes.ts'
import { identityProviderRoutes } from '../accounts/identity-providers.routes.ts'
import { invitationRoutes } from '../accounts/invitation.routes.ts'
import { passkeyRoutes } from '../accounts/passkeys.routes.ts'
import { settingsRoutes } from '../accounts/settings.routes.ts'
import { SignInLimits } from '../accounts/sign-in.routes.ts'
import { activityRoutes } from '../activity/activity.routes.ts'
import type { AuditSender } from '../activity/audit-sender.ts'
import { destinationRoutes } from '../activity/destinations.routes.ts'
import { AppError } from '../base/app-error.ts'
import { type Clock, systemClock } from '../base/clock.ts'
import type { Config } from '../config/config.ts'
import { accessKeyRoutes } from '../credentials/access-key/access-key.routes.ts'
import { accessTokenRoutes } from '../credentials/access-token/access-token.routes.ts'
import { deviceLoginRoutes } from '../credentials/access-token/device-login.routes.ts'
import { apiKeyRoutes } from '../credentials/api-key/api-key.routes.ts'
import { deliveryRoutes } from '../credentials/delivery/delivery.routes.ts'
import { gpgKeyRoutes } from '../credentials/gpg-key/gpg-key.routes.ts'
import { inventoryRoutes } from '../credentials/inventory/inventory.routes.ts'
import { reminderRoutes } from '../credentials/inventory/reminders.routes.ts'
import { outsideStoreRoutes } from '../credentials/outside-store/outside-store.routes.ts'
import { personalSecretRoutes } from '../credentials/personal-secret/personal-secret.routes.ts'
import { repositoryRoutes } from '../credentials/repository/repository.routes.ts'
import { secretRoutes } from '../credentials/secret/secret.routes.ts'
import { secretOverrideRoutes } from '../credentials/secret/secret-override.routes.ts'
import { usableSecrets } from '../credentials/secret/usable-secrets.ts'
import { sshIdentityRoutes } from '../credentials/ssh-identity/ssh-identity.routes.ts'
import { sshKeyRoutes } from '../credentials/ssh-key/ssh-key.routes.ts'
import { useRoutes } from '../credentials/use/use.routes.ts'
import { workloadIdentityRoutes } from '../credentials/workload-identity/workload-identity.routes.ts'
import { workspaceIdentityRoutes } from '../credentials/workspace-identity/workspace-identity.routes.ts'
import { workspaceSecretRoutes } from '../credentials/workspace-secret/workspace-secret.routes.ts'
import { FailedAttempts } from '../http/attempts.ts'
import { Http } from '../http/http.ts'
import { collectMetrics, listenForMetrics } from '../http/metrics.ts'
import { openapi } from '../http/openapi.ts'
import { operationRoutes, type Readiness } from '../http/operations.ts'
import { webRoutes } from '../http/web.ts'
import { projectRoutes } from '../projects/projects.routes.ts'
import { Schedule } from '../schedule/schedule.ts'
import { type Entrance, sshRoutes } from '../ssh-gateway/ssh.routes.ts'
import { SshGateway } from '../ssh-gateway/ssh-gateway.ts'
import type { Transaction } from '../storage/tables.ts'
import { instanceRoutes } from '../upkeep/instance.routes.ts'
import { AgentConnections } from '../workspaces/agent-connections.ts'
import { agentRoutes } from '../workspaces/agents.routes.ts'
import { sshSessionRoutes } from '../workspaces/ssh-sessions.routes.ts'
import { templateRoutes } from '../workspaces/templates.routes.ts'
import { workspaceRoutes } from '../workspaces/workspaces.routes.ts'
import { callers } from './callers.ts'
import type { Core } from './core.ts'
import { findPerson, lacksSecondFactor, withSecondFactor } from './find-person.ts'
import { cannotListen, unusable } from './unusable.ts'

const MINUTE_MS = 60_000
/** Refused SSH logins of an address and minute that are recorded: scanners must not fill the log. */
const RECORDED_LOGINS_MAX = 10
const HOUR_MS = 60 * MINUTE_MS
/** How often people are looked for who have to be reminded of something. */
const REMINDERS_MS = 60 * MINUTE_MS

/** Of the repository. The sources lie one folder deeper than the bundle. */
const root = new URL(import.meta.url.endsWith('.ts') ? '../../../../' : '../../../', import.meta.url)

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
  webFolder = new URL('packages/web/dist/', root),
): Promise<Server> {
  const { accounts, accessTokens, accessKeys, access } = core
  const http = new Http<Person, Machine, WorkspaceAgent>({
    publicUrl: config.publicUrl,
    trustedProxies: config.trustedProxies,
    tls: config.tls,
    logger,
    ...callers(core, clock),
  })

  const { address: metricsAddress, token: metricsToken } = config.metrics
  const agentConnections = new AgentConnections(
    {
      storage: core.storage,
      access,
      audit: core.audit,
      clock,
      serverId: core.servers.id,
      messages: core.serverMessages,
      keyLines: (accountId) => core.sshKeys.linesForLogin(accountId),
      keyLinesOf: async (accountIds) => {
        const keys = await core.sshKeys.stillLettingIn(accountIds)
        return new Map([...keys].map(([accountId, { lines }]) => [accountId, lines]))
      },
      passes: core.visitorPasses,
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
  templateRoutes(http, core.templates)
  agentRoutes(http, core.agents, agentConnections, core.agentBounds)
  workspaceIdentityRoutes(http, core.workspaceIdentities, {
    gitCredential: (asker, host, isRejected) => core.repositoryTokens.tokenFor(asker, { host }, isRejected),
    signForSsh: (asker, data, flags, binding) =>
      core.sshIdentities.sign(asker, data, { flags, ...(binding && { binding }) }),
    signWithGpg: (asker, fingerprint, data) => core.gpgKeys.sign(asker, fingerprint, data),
    admit: (workspaceId, records) => core.agentBounds.admit(workspaceId, records),
  })
  deliveryRoutes(http, core.deliveries, core.workspaceStarts, core.agentBounds, clock)
  outsideStoreRoutes(http, core.outsideStores, core.storeSources)
  workspaceSecretRoutes(http, core.workspaceSecrets, core.settings, clock)
  const entrance: Entrance = { gateway: undefined }
  sshRoutes(http, core.agents, access, entrance, core.sshKeysOfInstance)
  useRoutes(
    http,
    core.uses,
    (projectId, environment) => usableSecrets(clock, projectId, environment),
    (asker) => core.deliveries.usable(asker),
    (asker, pass) => core.deliveries.visitorOf(asker, pass),
  )
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
  activityRoutes(http, core.audit, access, accounts, core.projects, core.workspaces)
  const refusedLogins = new FailedAttempts(clock, RECORDED_LOGINS_MAX, MINUTE_MS)
  sshSessionRoutes(http, core.sshSessions)
  const gateway = new SshGateway({
    access,
    audit: core.audit,
    connections: agentConnections,
    sessions: core.sshSessions,
    findKey: (key) => core.sshKeys.findForLogin(key),
    findKeyIds: async (accountIds) => {
      const enrolled = await withSecondFactor(core.settings, accounts, accountIds)
      return new Set(
        [...(await core.sshKeys.stillLettingIn(enrolled)).values()].flatMap(({ ids }) => [...ids]),
      )
    },
    keyUsed: (id) => core.sshKeys.used(id),
    findPerson: (accountId, keyId) => findPerson(accounts, accountId, keyId),
    lacksSecondFactor: (person) => lacksSecondFactor(core.settings, person),
    hostKey: core.sshKeysOfInstance.gateway.privateText(),
    isRecorded: (address) => {
      const isWithin = refusedLogins.isAllowed(address)
      if (isWithin) refusedLogins.recordFailure(address)
      return isWithin
    },
    logger,
  })
  let isDraining = false
  const ready = async () => {
    const { isReady, checks } = await readiness(core)
    return isDraining ? { isReady: false, checks: { ...checks, server: 'stopping' } } : { isReady, checks }
  }
  instanceRoutes(http, {
    access,
    audit: core.audit,
    rootKeys: core.rootKeys,
    url: config.publicUrl,
    release: packageJson.version,
    database: core.storage.dialect,
    hasMail: config.mail !== undefined,
    options: [...config.shown],
    checks: async () => (await ready()).checks,
  })
  operationRoutes(http.fastify, {
    readiness: ready,
    metricsToken,
    metrics,
    openapi: () => openapi(packageJson.version),
    publicUrl: config.publicUrl,
    errorPages: new URL('docs/errors/', root),
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
          throw cannotListen('KEYHOLD_HTTP_ADDR', config.http, error)
        })
      entrance.gateway = await listenForSsh(gateway, config, logger)
      await core.servers.start(config.internalUrl ?? internalUrl(config, address), (error) =>
        logger.warn({ err: error }, 'cannot say that this server runs'),
      )
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
    if (!ssh.isDefault) throw cannotListen('KEYHOLD_SSH_ADDR', ssh.address, error)
    logger.warn(`no SSH gateway. ${cannotListen('KEYHOLD_SSH_ADDR', ssh.address, error).message}`)
    return undefined
  }
}

/** Where other servers reach this one, as far as that can be known. @param address that it listens on. */
function internalUrl({ http, tls }: Config, address: string): string {
  const isEverywhere = ['', '0.0.0.0', '::'].includes(http.host)
  const own = isEverywhere
    ? Object.values(networkInterfaces())
        .flat()
        .find((one) => one && !one.internal && !one.address.startsWith('fe80:'))?.address
    : undefined
  if (own === undefined) return address
  return `${tls ? 'https' : 'http'}://${own.includes(':') ? `[${own}]` : own}:${new URL(address).port}`
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
