import type { AnyRoute } from '../route.ts'
import * as accessKeys from './access-keys.ts'
import * as accessTokens from './access-tokens.ts'
import * as accounts from './accounts.ts'
import * as apiKeys from './api-keys.ts'
import * as audit from './audit.ts'
import * as auditDestinations from './audit-destinations.ts'
import * as credentials from './credentials.ts'
import * as deliveries from './deliveries.ts'
import * as deviceLogins from './device-logins.ts'
import * as gpgKeys from './gpg-keys.ts'
import * as identityProviders from './identity-providers.ts'
import * as instance from './instance.ts'
import * as invitations from './invitations.ts'
import * as passkeys from './passkeys.ts'
import * as personalSecrets from './personal-secrets.ts'
import * as projects from './projects.ts'
import * as reminders from './reminders.ts'
import * as repositories from './repositories.ts'
import * as secondFactor from './second-factor.ts'
import * as secretOverrides from './secret-overrides.ts'
import * as secrets from './secrets.ts'
import * as settings from './settings.ts'
import * as ssh from './ssh.ts'
import * as sshIdentity from './ssh-identity.ts'
import * as sshKeys from './ssh-keys.ts'
import * as sshSessions from './ssh-sessions.ts'
import * as stores from './stores.ts'
import * as templates from './templates.ts'
import * as uses from './uses.ts'
import * as workloadIdentities from './workload-identities.ts'
import * as workspaceAgents from './workspace-agents.ts'
import * as workspaceIdentity from './workspace-identity.ts'
import * as workspaceSecrets from './workspace-secrets.ts'
import * as workspaces from './workspaces.ts'

const isRoute = (value: unknown): value is AnyRoute =>
  typeof value === 'object' && value !== null && 'path' in value && 'method' in value

/** Every route of the API, by resource: what the OpenAPI file, the reference and the tests are made from. */
export const routes: readonly AnyRoute[] = [
  accounts,
  invitations,
  accessTokens,
  deviceLogins,
  projects,
  secrets,
  uses,
  secretOverrides,
  accessKeys,
  workspaces,
  templates,
  workspaceAgents,
  workspaceSecrets,
  deliveries,
  workspaceIdentity,
  stores,
  workloadIdentities,
  repositories,
  credentials,
  reminders,
  secondFactor,
  passkeys,
  identityProviders,
  settings,
  instance,
  personalSecrets,
  ssh,
  sshKeys,
  sshSessions,
  apiKeys,
  sshIdentity,
  gpgKeys,
  audit,
  auditDestinations,
].flatMap((resource) => Object.values(resource).filter(isRoute))
