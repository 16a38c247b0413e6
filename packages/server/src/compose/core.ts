import { accessSync, constants, mkdirSync } from 'node:fs'
import { Secret } from '@keyhold/contract/secret'
import packageJson from '../../package.json' with { type: 'json' }
import { Access } from '../access/access.ts'
import { Accounts } from '../accounts/accounts.service.ts'
import { findInstanceValue, setInstanceValueOnce } from '../accounts/accounts.store.ts'
import { IdentityProviders } from '../accounts/identity-provider.service.ts'
import { Invitations } from '../accounts/invitation.service.ts'
import { OidcClient } from '../accounts/oidc-client.ts'
import { Passkeys } from '../accounts/passkey.service.ts'
import { ProviderSignIns } from '../accounts/provider-sign-in.service.ts'
import { SecondFactors } from '../accounts/second-factor.service.ts'
import { InstanceSettings } from '../accounts/settings.service.ts'
import { SignInAttempts } from '../accounts/sign-in-attempts.ts'
import { AuditSender } from '../activity/audit-sender.ts'
import { AuditDestinations } from '../activity/destinations.service.ts'
import { AuditLog } from '../audit/audit-log.ts'
import { AuditRetention } from '../audit/audit-retention.ts'
import { type Clock, systemClock } from '../base/clock.ts'
import { newId } from '../base/ids.ts'
import { Mailer } from '../base/mailer.ts'
import { Outgoing } from '../base/outgoing.ts'
import type { Config } from '../config/config.ts'
import { AccessKeys } from '../credentials/access-key/access-key.service.ts'
import { AccessTokens } from '../credentials/access-token/access-token.service.ts'
import { DeviceLogins } from '../credentials/access-token/device-login.service.ts'
import { ApiKeys } from '../credentials/api-key/api-key.service.ts'
import { Deliveries } from '../credentials/delivery/delivery.service.ts'
import { WorkspaceStarts } from '../credentials/delivery/start.service.ts'
import { GpgKeys } from '../credentials/gpg-key/gpg-key.service.ts'
import { Inventory } from '../credentials/inventory/inventory.service.ts'
import { Reminders } from '../credentials/inventory/reminders.service.ts'
import { OutsideStores } from '../credentials/outside-store/outside-store.service.ts'
import { StoreSources } from '../credentials/outside-store/store-source.service.ts'
import { PersonalSecrets } from '../credentials/personal-secret/personal-secret.service.ts'
import { Repositories } from '../credentials/repository/repository.service.ts'
import { RepositoryGpgKeys } from '../credentials/repository/repository-gpg.service.ts'
import { RepositoryProviders } from '../credentials/repository/repository-provider.service.ts'
import { RepositoryTokens } from '../credentials/repository/repository-tokens.service.ts'
import { VendorClient } from '../credentials/repository/vendor-client.ts'
import { EnvironmentRestores } from '../credentials/secret/environment-restore.service.ts'
import { Secrets } from '../credentials/secret/secret.service.ts'
import { SecretChanges } from '../credentials/secret/secret-changes.service.ts'
import { secretOffers, secretsState } from '../credentials/secret/secret-offers.ts'
import { SecretOverrides } from '../credentials/secret/secret-override.service.ts'
import { SecretWatches } from '../credentials/secret/secret-watches.service.ts'
import { SshIdentities } from '../credentials/ssh-identity/ssh-identity.service.ts'
import { SshKeys } from '../credentials/ssh-key/ssh-key.service.ts'
import { Uses } from '../credentials/use/use.service.ts'
import { WorkloadIdentities } from '../credentials/workload-identity/workload-identity.service.ts'
import { WorkspaceIdentities } from '../credentials/workspace-identity/workspace-identity.service.ts'
import { WorkspaceSecrets } from '../credentials/workspace-secret/workspace-secret.service.ts'
import { Projects } from '../projects/projects.service.ts'
import { isSignedByHost } from '../ssh-gateway/verify-signature.ts'
import { openStorage, type Storage } from '../storage/storage.ts'
import { Backups } from '../upkeep/backups.service.ts'
import { RootKeys } from '../upkeep/root-keys.service.ts'
import { Servers } from '../upkeep/servers.ts'
import { deriveRootKey, readRootKeyFiles } from '../vault/root-key.ts'
import { chooseRootKey } from '../vault/rotation.ts'
import { SealedMessages } from '../vault/sealed-messages.ts'
import { SshHostKey } from '../vault/ssh-host-keys.ts'
import { Vault } from '../vault/vault.ts'
import { AgentBounds } from '../workspaces/agent-bounds.ts'
import { Agents } from '../workspaces/agents.service.ts'
import { SshSessions } from '../workspaces/ssh-sessions.service.ts'
import { Templates } from '../workspaces/templates.service.ts'
import { VisitorPasses } from '../workspaces/visitor-pass.ts'
import { Workspaces } from '../workspaces/workspaces.service.ts'
import { findPerson, lacksSecondFactor } from './find-person.ts'
import { unusable } from './unusable.ts'

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
  readonly agentBounds: AgentBounds
  readonly workspaceSecrets: WorkspaceSecrets
  readonly deliveries: Deliveries
  readonly workspaceIdentities: WorkspaceIdentities
  readonly visitorPasses: VisitorPasses
  readonly workspaceStarts: WorkspaceStarts
  readonly templates: Templates
  readonly outsideStores: OutsideStores
  readonly storeSources: StoreSources
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
  readonly sshSessions: SshSessions
  readonly apiKeys: ApiKeys
  readonly servers: Servers
  /** What servers that share the database say to each other. */
  readonly serverMessages: SealedMessages
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
    const accounts = new Accounts(storage, access, audit, secondFactors, settings, clock)
    const signInAttempts = new SignInAttempts(storage, clock)
    const projects = new Projects(storage, access, accounts, clock)
    const mailer = new Mailer(config.mail)
    const oidc = new OidcClient(outgoing, vault.deriveKey('provider-sign-in'))
    const accessTokens = new AccessTokens(storage, access, settings, clock)
    const accessKeys = new AccessKeys(storage, access, audit, settings, clock)
    const secrets = new Secrets(storage, access, vault, clock)
    const secretChanges = new SecretChanges(access, vault, clock)
    const personalSecrets = new PersonalSecrets(storage, access, vault, clock)
    const workspaces = new Workspaces(storage, access, accounts, projects, clock)
    const workspaceSecrets = new WorkspaceSecrets({ storage, access, vault, clock }, workspaces)
    const sshKeys = new SshKeys(storage, access, clock, (db, blob) => sshIdentities.isIdentity(db, blob))
    const visitorPasses = new VisitorPasses(new SealedMessages(vault.deriveKey('visitor-pass')))
    const storeParts = { storage, access, vault, clock, outgoing }
    const storeSources = new StoreSources(storeParts)
    const certificateAuthority = new SshHostKey(vault.deriveKey('ssh-host-certificates'))
    const agents = new Agents({ storage, access, audit, clock, certificateAuthority })
    const secretOverrides = new SecretOverrides(storage, access, vault, clock)
    const agentBounds = new AgentBounds(clock)
    const deliveries = new Deliveries(
      access,
      {
        readPass: (pass) => visitorPasses.read(pass, clock.now()),
        isOpen: (workspaceId, sessionId) => sshSessions.isOpen(workspaceId, sessionId),
        findByKey: async (accountId, fingerprint) => {
          const key = await sshKeys.findForLogin(fingerprint)
          if (key?.accountId !== accountId) return undefined
          const person = await findPerson(accounts, accountId, key.id)
          return person && !(await lacksSecondFactor(settings, person)) ? person : undefined
        },
        findApplied: (workspaceId) => agents.findApplied(workspaceId),
        apply: (asker, applied) => agents.apply(asker, applied),
        findWorkspace: (id) => workspaces.findForDelivery(id),
        workspaceOffers: (workspace) => workspaceSecrets.offers(workspace),
        projectOffers: ({ projectId, id: environmentId, environment }, ownerId) =>
          secretOffers(storage, { projectId, environmentId, environment, ownerId }),
        deliverOverrides: (asker, projectId, ids) => secretOverrides.deliverTo(asker, projectId, ids),
        needsOf: (workspaceId) => workspaces.needsOf(workspaceId),
        storeVariables: (workspaceId) => storeSources.variablesOf(workspaceId),
        possibleStoreNames: (workspaceId, names) => storeSources.possibleNames(workspaceId, names),
        recordStoreUse: (asker, names) => storeSources.recordUse(asker, names),
        projectState: (projectId) => secretsState(storage, projectId),
        deliverProject: (asker, projectId, environment, ids) =>
          secrets.readFor(asker, projectId, environment, ids),
        deliverWorkspace: (asker, ids) => workspaceSecrets.deliverOffered(asker, ids),
        deliverPersonal: (asker, ids) => personalSecrets.deliverOffered(asker, ids),
        personalOffers: ({ id, owner }) => personalSecrets.offers(owner, id),
      },
      agentBounds,
      clock,
    )
    const sshIdentities = new SshIdentities(storage, access, accounts, vault, clock, isSignedByHost)
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
    const servers = new Servers(storage, vault, clock, packageJson.version)
    const sshSessions = new SshSessions(storage, access, clock, servers.id)
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
      deviceLogins: new DeviceLogins(storage, access, accounts, accessTokens, settings, clock),
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
      workspaceIdentities: new WorkspaceIdentities(access, {
        gitHosts: (ownerId) => repositories.gitHosts(ownerId),
        sshPublicKey: (ownerId) => sshIdentities.publicKeyOf(ownerId),
        gpgKey: (ownerId) => gpgKeys.signingKey(ownerId),
      }),
      visitorPasses,
      workspaceStarts: new WorkspaceStarts(access, {
        fetchFromStores: (asker) => storeSources.fetch(asker),
        needsOf: (workspaceId) => workspaces.needsOf(workspaceId),
        variableNames: (workspaceId) => deliveries.variableNames(workspaceId),
      }),
      templates: new Templates(storage, access, clock),
      outsideStores: new OutsideStores(storeParts),
      storeSources,
      agents,
      agentBounds,
      sshSessions,
      sshKeysOfInstance: {
        gateway: new SshHostKey(vault.deriveKey('ssh-gateway')),
        certificateAuthority,
      },
      secrets,
      uses: new Uses(storage, access, clock),
      secretWatches: new SecretWatches(storage, access, clock),
      secretChanges,
      environmentRestores: new EnvironmentRestores(storage, access, vault, clock, secretChanges),
      secretOverrides,
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
      serverMessages: new SealedMessages(vault.deriveKey('server-messages')),
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
