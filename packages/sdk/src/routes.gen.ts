// Generated from packages/contract by `npm run generate`; do not edit. The SDK's tests compare it with the contract.
import type * as accessKeys from '@keyhold/contract/api/access-keys'
import type * as accessTokens from '@keyhold/contract/api/access-tokens'
import type * as accounts from '@keyhold/contract/api/accounts'
import type * as apiKeys from '@keyhold/contract/api/api-keys'
import type * as audit from '@keyhold/contract/api/audit'
import type * as auditDestinations from '@keyhold/contract/api/audit-destinations'
import type * as credentials from '@keyhold/contract/api/credentials'
import type * as deliveries from '@keyhold/contract/api/deliveries'
import type * as deviceLogins from '@keyhold/contract/api/device-logins'
import type * as gpgKeys from '@keyhold/contract/api/gpg-keys'
import type * as identityProviders from '@keyhold/contract/api/identity-providers'
import type * as instance from '@keyhold/contract/api/instance'
import type * as invitations from '@keyhold/contract/api/invitations'
import type * as passkeys from '@keyhold/contract/api/passkeys'
import type * as personalSecrets from '@keyhold/contract/api/personal-secrets'
import type * as projects from '@keyhold/contract/api/projects'
import type * as reminders from '@keyhold/contract/api/reminders'
import type * as repositories from '@keyhold/contract/api/repositories'
import type * as secondFactor from '@keyhold/contract/api/second-factor'
import type * as secretOverrides from '@keyhold/contract/api/secret-overrides'
import type * as secrets from '@keyhold/contract/api/secrets'
import type * as settings from '@keyhold/contract/api/settings'
import type * as ssh from '@keyhold/contract/api/ssh'
import type * as sshIdentity from '@keyhold/contract/api/ssh-identity'
import type * as sshKeys from '@keyhold/contract/api/ssh-keys'
import type * as sshSessions from '@keyhold/contract/api/ssh-sessions'
import type * as stores from '@keyhold/contract/api/stores'
import type * as templates from '@keyhold/contract/api/templates'
import type * as uses from '@keyhold/contract/api/uses'
import type * as workloadIdentities from '@keyhold/contract/api/workload-identities'
import type * as workspaceAgents from '@keyhold/contract/api/workspace-agents'
import type * as workspaceIdentity from '@keyhold/contract/api/workspace-identity'
import type * as workspaceSecrets from '@keyhold/contract/api/workspace-secrets'
import type * as workspaces from '@keyhold/contract/api/workspaces'

/** What has to be known of a route to call it. `isText`: the answer is not JSON; `isEventStream`: it has no end. */
export interface RouteEntry {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'
  readonly path: string
  readonly caller: 'person' | 'machine' | 'workspace' | 'anyone'
  readonly isText?: true
  readonly isEventStream?: true
}

export const routeTable = {
  'access-key.activate': {
    method: 'POST',
    path: '/api/v1/projects/{projectId}/access-keys/{accessKeyId}/activate',
    caller: 'person',
  },
  'access-key.create': { method: 'POST', path: '/api/v1/projects/{projectId}/access-keys', caller: 'person' },
  'access-key.deactivate': {
    method: 'POST',
    path: '/api/v1/projects/{projectId}/access-keys/{accessKeyId}/deactivate',
    caller: 'person',
  },
  'access-key.delete': {
    method: 'DELETE',
    path: '/api/v1/projects/{projectId}/access-keys/{accessKeyId}',
    caller: 'person',
  },
  'access-key.list': { method: 'GET', path: '/api/v1/projects/{projectId}/access-keys', caller: 'person' },
  'access-key.regenerate': {
    method: 'POST',
    path: '/api/v1/projects/{projectId}/access-keys/{accessKeyId}/regenerate',
    caller: 'person',
  },
  'access-key.update': {
    method: 'PATCH',
    path: '/api/v1/projects/{projectId}/access-keys/{accessKeyId}',
    caller: 'person',
  },
  'access-token.create': { method: 'POST', path: '/api/v1/access-tokens', caller: 'person' },
  'access-token.delete': {
    method: 'DELETE',
    path: '/api/v1/access-tokens/{accessTokenId}',
    caller: 'person',
  },
  'access-token.list': { method: 'GET', path: '/api/v1/access-tokens', caller: 'person' },
  'account.create': { method: 'POST', path: '/api/v1/accounts', caller: 'person' },
  'account.end_sessions': {
    method: 'DELETE',
    path: '/api/v1/accounts/{accountId}/sessions',
    caller: 'person',
  },
  'account.list': { method: 'GET', path: '/api/v1/accounts', caller: 'person' },
  'account.password': { method: 'POST', path: '/api/v1/account/password', caller: 'person' },
  'account.reset_second_factor': {
    method: 'DELETE',
    path: '/api/v1/accounts/{accountId}/second-factor',
    caller: 'person',
  },
  'account.update': { method: 'PATCH', path: '/api/v1/accounts/{accountId}', caller: 'person' },
  'agent.applied': { method: 'PUT', path: '/api/v1/workspaces/current/applied', caller: 'workspace' },
  'agent.certify': {
    method: 'POST',
    path: '/api/v1/workspaces/current/host-certificate',
    caller: 'workspace',
  },
  'agent.create_enrollment': {
    method: 'POST',
    path: '/api/v1/workspaces/{workspaceId}/enrollments',
    caller: 'person',
  },
  'agent.delivery': { method: 'GET', path: '/api/v1/workspaces/current/delivery', caller: 'workspace' },
  'agent.disconnect': { method: 'DELETE', path: '/api/v1/workspaces/{workspaceId}/agent', caller: 'person' },
  'agent.enroll': { method: 'POST', path: '/api/v1/workspaces/current/enrollment', caller: 'anyone' },
  'agent.get': { method: 'GET', path: '/api/v1/workspaces/current', caller: 'workspace' },
  'agent.git_credential': {
    method: 'POST',
    path: '/api/v1/workspaces/current/git-credentials',
    caller: 'workspace',
  },
  'agent.identity': { method: 'GET', path: '/api/v1/workspaces/current/identity', caller: 'workspace' },
  'agent.renew': { method: 'POST', path: '/api/v1/workspaces/current/credential', caller: 'workspace' },
  'agent.session': { method: 'POST', path: '/api/v1/workspaces/current/sessions', caller: 'workspace' },
  'agent.sign_gpg': {
    method: 'POST',
    path: '/api/v1/workspaces/current/gpg-signatures',
    caller: 'workspace',
  },
  'agent.sign_ssh': {
    method: 'POST',
    path: '/api/v1/workspaces/current/ssh-signatures',
    caller: 'workspace',
  },
  'agent.start': { method: 'POST', path: '/api/v1/workspaces/current/start', caller: 'workspace' },
  'agent.use': { method: 'POST', path: '/api/v1/workspaces/current/uses', caller: 'workspace' },
  'api-key.create': { method: 'POST', path: '/api/v1/api-keys', caller: 'person' },
  'api-key.delete': { method: 'DELETE', path: '/api/v1/api-keys/{apiKeyId}', caller: 'person' },
  'api-key.get': { method: 'GET', path: '/api/v1/api-keys/{apiKeyId}', caller: 'person' },
  'api-key.list': { method: 'GET', path: '/api/v1/api-keys', caller: 'person' },
  'api-key.presets': { method: 'GET', path: '/api/v1/api-key-presets', caller: 'person' },
  'api-key.update': { method: 'PATCH', path: '/api/v1/api-keys/{apiKeyId}', caller: 'person' },
  'audit-destination.create': { method: 'POST', path: '/api/v1/audit-destinations', caller: 'person' },
  'audit-destination.delete': {
    method: 'DELETE',
    path: '/api/v1/audit-destinations/{destinationId}',
    caller: 'person',
  },
  'audit-destination.list': { method: 'GET', path: '/api/v1/audit-destinations', caller: 'person' },
  'audit.checkpoint': { method: 'GET', path: '/api/v1/audit/checkpoint', caller: 'person' },
  'audit.export': { method: 'GET', path: '/api/v1/audit/export', caller: 'person', isText: true },
  'audit.growth': { method: 'GET', path: '/api/v1/audit/growth', caller: 'person' },
  'audit.list': { method: 'GET', path: '/api/v1/audit', caller: 'person' },
  'audit.prove': { method: 'GET', path: '/api/v1/audit/{index}/proof', caller: 'person' },
  'credential.list': { method: 'GET', path: '/api/v1/credentials', caller: 'person' },
  'current.create': { method: 'POST', path: '/api/v1/projects/current/secrets', caller: 'machine' },
  'current.delete': { method: 'DELETE', path: '/api/v1/projects/current/secrets/{name}', caller: 'machine' },
  'current.environments': { method: 'GET', path: '/api/v1/projects/current/environments', caller: 'machine' },
  'current.get': { method: 'GET', path: '/api/v1/projects/current', caller: 'machine' },
  'current.list': { method: 'GET', path: '/api/v1/projects/current/names', caller: 'machine' },
  'current.secret': { method: 'GET', path: '/api/v1/projects/current/secrets/{name}', caller: 'machine' },
  'current.secrets': { method: 'GET', path: '/api/v1/projects/current/secrets', caller: 'machine' },
  'current.update': { method: 'PATCH', path: '/api/v1/projects/current/secrets/{name}', caller: 'machine' },
  'current.use': { method: 'POST', path: '/api/v1/projects/current/uses', caller: 'machine' },
  'device-login.approve': { method: 'POST', path: '/api/v1/device-logins/approve', caller: 'person' },
  'device-login.begin': { method: 'POST', path: '/api/v1/device-logins', caller: 'anyone' },
  'device-login.deny': { method: 'POST', path: '/api/v1/device-logins/deny', caller: 'person' },
  'device-login.finish': { method: 'POST', path: '/api/v1/device-logins/token', caller: 'anyone' },
  'device-login.get': { method: 'POST', path: '/api/v1/device-logins/find', caller: 'person' },
  'environment.create': {
    method: 'POST',
    path: '/api/v1/projects/{projectId}/environments',
    caller: 'person',
  },
  'environment.delete': {
    method: 'DELETE',
    path: '/api/v1/projects/{projectId}/environments/{environmentId}',
    caller: 'person',
  },
  'environment.list': { method: 'GET', path: '/api/v1/projects/{projectId}/environments', caller: 'person' },
  'environment.restore': {
    method: 'POST',
    path: '/api/v1/projects/{projectId}/environments/{environmentId}/restore',
    caller: 'person',
  },
  'environment.restore_preview': {
    method: 'GET',
    path: '/api/v1/projects/{projectId}/environments/{environmentId}/restore',
    caller: 'person',
  },
  'environment.update': {
    method: 'PATCH',
    path: '/api/v1/projects/{projectId}/environments/{environmentId}',
    caller: 'person',
  },
  'gpg-key.create': { method: 'POST', path: '/api/v1/gpg-keys', caller: 'person' },
  'gpg-key.delete': { method: 'DELETE', path: '/api/v1/gpg-keys/{gpgKeyId}', caller: 'person' },
  'gpg-key.get': { method: 'GET', path: '/api/v1/gpg-keys/{gpgKeyId}', caller: 'person' },
  'gpg-key.import': { method: 'POST', path: '/api/v1/gpg-keys/import', caller: 'person' },
  'gpg-key.list': { method: 'GET', path: '/api/v1/gpg-keys', caller: 'person' },
  'gpg-key.publish': { method: 'POST', path: '/api/v1/gpg-keys/{gpgKeyId}/publish', caller: 'person' },
  'gpg-key.revocation': {
    method: 'POST',
    path: '/api/v1/gpg-keys/{gpgKeyId}/revocation-certificate',
    caller: 'person',
  },
  'identity-link.create': { method: 'POST', path: '/api/v1/identity-links', caller: 'person' },
  'identity-link.delete': { method: 'DELETE', path: '/api/v1/identity-links/{linkId}', caller: 'person' },
  'identity-link.list': { method: 'GET', path: '/api/v1/identity-links', caller: 'person' },
  'identity-provider.create': { method: 'POST', path: '/api/v1/identity-providers', caller: 'person' },
  'identity-provider.delete': {
    method: 'DELETE',
    path: '/api/v1/identity-providers/{providerId}',
    caller: 'person',
  },
  'identity-provider.list': { method: 'GET', path: '/api/v1/identity-providers', caller: 'person' },
  'identity-provider.test': {
    method: 'POST',
    path: '/api/v1/identity-providers/{providerId}/test',
    caller: 'person',
  },
  'identity-provider.update': {
    method: 'PATCH',
    path: '/api/v1/identity-providers/{providerId}',
    caller: 'person',
  },
  'instance.get': { method: 'GET', path: '/api/v1/instance', caller: 'person' },
  'invitation.accept': { method: 'POST', path: '/api/v1/invitations/accept', caller: 'anyone' },
  'invitation.create': { method: 'POST', path: '/api/v1/invitations', caller: 'person' },
  'invitation.find': { method: 'POST', path: '/api/v1/invitations/find', caller: 'anyone' },
  'invitation.list': { method: 'GET', path: '/api/v1/invitations', caller: 'person' },
  'invitation.renew': { method: 'POST', path: '/api/v1/invitations/{invitationId}/renew', caller: 'person' },
  'invitation.revoke': { method: 'DELETE', path: '/api/v1/invitations/{invitationId}', caller: 'person' },
  'member.create': { method: 'POST', path: '/api/v1/projects/{projectId}/members', caller: 'person' },
  'member.delete': {
    method: 'DELETE',
    path: '/api/v1/projects/{projectId}/members/{accountId}',
    caller: 'person',
  },
  'member.list': { method: 'GET', path: '/api/v1/projects/{projectId}/members', caller: 'person' },
  'member.update': {
    method: 'PATCH',
    path: '/api/v1/projects/{projectId}/members/{accountId}',
    caller: 'person',
  },
  'passkey.begin': { method: 'POST', path: '/api/v1/passkeys/options', caller: 'person' },
  'passkey.create': { method: 'POST', path: '/api/v1/passkeys', caller: 'person' },
  'passkey.delete': { method: 'POST', path: '/api/v1/passkeys/{passkeyId}/delete', caller: 'person' },
  'passkey.list': { method: 'GET', path: '/api/v1/passkeys', caller: 'person' },
  'passkey.update': { method: 'PATCH', path: '/api/v1/passkeys/{passkeyId}', caller: 'person' },
  'personal-secret.create': { method: 'POST', path: '/api/v1/personal-secrets', caller: 'person' },
  'personal-secret.delete': {
    method: 'DELETE',
    path: '/api/v1/personal-secrets/{personalSecretId}',
    caller: 'person',
  },
  'personal-secret.get': {
    method: 'GET',
    path: '/api/v1/personal-secrets/{personalSecretId}',
    caller: 'person',
  },
  'personal-secret.list': { method: 'GET', path: '/api/v1/personal-secrets', caller: 'person' },
  'personal-secret.reveal': {
    method: 'POST',
    path: '/api/v1/personal-secrets/{personalSecretId}/reveal',
    caller: 'person',
  },
  'personal-secret.update': {
    method: 'PATCH',
    path: '/api/v1/personal-secrets/{personalSecretId}',
    caller: 'person',
  },
  'personal-secret.versions': {
    method: 'GET',
    path: '/api/v1/personal-secrets/{personalSecretId}/versions',
    caller: 'person',
  },
  'project.create': { method: 'POST', path: '/api/v1/projects', caller: 'person' },
  'project.delete': { method: 'DELETE', path: '/api/v1/projects/{projectId}', caller: 'person' },
  'project.get': { method: 'GET', path: '/api/v1/projects/{projectId}', caller: 'person' },
  'project.list': { method: 'GET', path: '/api/v1/projects', caller: 'person' },
  'project.update': { method: 'PATCH', path: '/api/v1/projects/{projectId}', caller: 'person' },
  'reminder-webhook.delete': { method: 'DELETE', path: '/api/v1/reminder-webhook', caller: 'person' },
  'reminder-webhook.get': { method: 'GET', path: '/api/v1/reminder-webhook', caller: 'person' },
  'reminder-webhook.set': { method: 'PUT', path: '/api/v1/reminder-webhook', caller: 'person' },
  'reminder-webhook.test': { method: 'POST', path: '/api/v1/reminder-webhook/test', caller: 'person' },
  'repository-provider.create': { method: 'POST', path: '/api/v1/repository-providers', caller: 'person' },
  'repository-provider.delete': {
    method: 'DELETE',
    path: '/api/v1/repository-providers/{providerId}',
    caller: 'person',
  },
  'repository-provider.list': { method: 'GET', path: '/api/v1/repository-providers', caller: 'person' },
  'repository-provider.update': {
    method: 'PATCH',
    path: '/api/v1/repository-providers/{providerId}',
    caller: 'person',
  },
  'repository.confirm': { method: 'POST', path: '/api/v1/repository-connections/confirm', caller: 'person' },
  'repository.connect': { method: 'POST', path: '/api/v1/repository-connections', caller: 'person' },
  'repository.disconnect': {
    method: 'DELETE',
    path: '/api/v1/repository-connections/{connectionId}',
    caller: 'person',
  },
  'repository.list': { method: 'GET', path: '/api/v1/repository-connections', caller: 'person' },
  'repository.update': {
    method: 'PATCH',
    path: '/api/v1/repository-connections/{connectionId}',
    caller: 'person',
  },
  'second-factor.begin': { method: 'POST', path: '/api/v1/second-factor/totp', caller: 'person' },
  'second-factor.codes': { method: 'POST', path: '/api/v1/second-factor/recovery-codes', caller: 'person' },
  'second-factor.confirm': { method: 'POST', path: '/api/v1/second-factor/totp/confirm', caller: 'person' },
  'second-factor.delete': { method: 'POST', path: '/api/v1/second-factor/delete', caller: 'person' },
  'second-factor.get': { method: 'GET', path: '/api/v1/second-factor', caller: 'person' },
  'secret-override.delete': {
    method: 'DELETE',
    path: '/api/v1/projects/{projectId}/secrets/{secretId}/override',
    caller: 'person',
  },
  'secret-override.reveal': {
    method: 'POST',
    path: '/api/v1/projects/{projectId}/secrets/{secretId}/override/reveal',
    caller: 'person',
  },
  'secret-override.set': {
    method: 'PUT',
    path: '/api/v1/projects/{projectId}/secrets/{secretId}/override',
    caller: 'person',
  },
  'secret.compare': { method: 'GET', path: '/api/v1/projects/{projectId}/compare', caller: 'person' },
  'secret.create': { method: 'POST', path: '/api/v1/projects/{projectId}/secrets', caller: 'person' },
  'secret.delete': {
    method: 'DELETE',
    path: '/api/v1/projects/{projectId}/secrets/{secretId}',
    caller: 'person',
  },
  'secret.get': { method: 'GET', path: '/api/v1/projects/{projectId}/secrets/{secretId}', caller: 'person' },
  'secret.import': { method: 'POST', path: '/api/v1/projects/{projectId}/secrets/import', caller: 'person' },
  'secret.list': { method: 'GET', path: '/api/v1/projects/{projectId}/secrets', caller: 'person' },
  'secret.references': { method: 'GET', path: '/api/v1/projects/{projectId}/references', caller: 'person' },
  'secret.restore': {
    method: 'POST',
    path: '/api/v1/projects/{projectId}/secrets/{secretId}/restore',
    caller: 'person',
  },
  'secret.reveal': {
    method: 'POST',
    path: '/api/v1/projects/{projectId}/secrets/{secretId}/reveal',
    caller: 'person',
  },
  'secret.update': {
    method: 'PATCH',
    path: '/api/v1/projects/{projectId}/secrets/{secretId}',
    caller: 'person',
  },
  'secret.use': { method: 'POST', path: '/api/v1/projects/{projectId}/uses', caller: 'person' },
  'secret.versions': {
    method: 'GET',
    path: '/api/v1/projects/{projectId}/secrets/{secretId}/versions',
    caller: 'person',
  },
  'session.create': { method: 'POST', path: '/api/v1/session', caller: 'anyone' },
  'session.delete': { method: 'DELETE', path: '/api/v1/session', caller: 'person' },
  'session.get': { method: 'GET', path: '/api/v1/session', caller: 'person' },
  'session.options': { method: 'GET', path: '/api/v1/session/options', caller: 'anyone' },
  'session.passkey': { method: 'POST', path: '/api/v1/session/passkey', caller: 'anyone' },
  'session.passkey_begin': { method: 'POST', path: '/api/v1/session/passkey/options', caller: 'anyone' },
  'session.provider_begin': { method: 'POST', path: '/api/v1/session/identity-provider', caller: 'anyone' },
  'session.reauthenticate': { method: 'POST', path: '/api/v1/session/reauthenticate', caller: 'person' },
  'session.reauthenticate_passkey': {
    method: 'POST',
    path: '/api/v1/session/reauthenticate/passkey',
    caller: 'person',
  },
  'session.reauthenticate_passkey_begin': {
    method: 'POST',
    path: '/api/v1/session/reauthenticate/passkey/options',
    caller: 'person',
  },
  'session.reauthenticate_provider_begin': {
    method: 'POST',
    path: '/api/v1/session/reauthenticate/identity-provider',
    caller: 'person',
  },
  'session.second_factor': { method: 'POST', path: '/api/v1/session/second-factor', caller: 'person' },
  'sessions.end': { method: 'DELETE', path: '/api/v1/sessions/{sessionId}', caller: 'person' },
  'sessions.end_others': { method: 'DELETE', path: '/api/v1/sessions', caller: 'person' },
  'sessions.list': { method: 'GET', path: '/api/v1/sessions', caller: 'person' },
  'settings.get': { method: 'GET', path: '/api/v1/settings', caller: 'person' },
  'settings.update': { method: 'PATCH', path: '/api/v1/settings', caller: 'person' },
  'setup.create': { method: 'POST', path: '/api/v1/setup', caller: 'anyone' },
  'setup.get': { method: 'GET', path: '/api/v1/setup', caller: 'anyone' },
  'share.create': { method: 'POST', path: '/api/v1/workspaces/{workspaceId}/shares', caller: 'person' },
  'share.delete': {
    method: 'DELETE',
    path: '/api/v1/workspaces/{workspaceId}/shares/{accountId}',
    caller: 'person',
  },
  'share.list': { method: 'GET', path: '/api/v1/workspaces/{workspaceId}/shares', caller: 'person' },
  'share.update': {
    method: 'PATCH',
    path: '/api/v1/workspaces/{workspaceId}/shares/{accountId}',
    caller: 'person',
  },
  'ssh-identity.create': { method: 'POST', path: '/api/v1/ssh-identity', caller: 'person' },
  'ssh-identity.delete': { method: 'DELETE', path: '/api/v1/ssh-identity', caller: 'person' },
  'ssh-identity.destinations': { method: 'PUT', path: '/api/v1/ssh-identity/destinations', caller: 'person' },
  'ssh-identity.get': { method: 'GET', path: '/api/v1/ssh-identity', caller: 'person' },
  'ssh-key.create': { method: 'POST', path: '/api/ssh/keys', caller: 'person' },
  'ssh-key.delete': { method: 'DELETE', path: '/api/ssh/keys', caller: 'person' },
  'ssh-key.list': { method: 'GET', path: '/api/ssh/keys', caller: 'person' },
  'ssh-session.end': {
    method: 'DELETE',
    path: '/api/v1/workspaces/{workspaceId}/ssh-sessions/{sshSessionId}',
    caller: 'person',
  },
  'ssh-session.list': {
    method: 'GET',
    path: '/api/v1/workspaces/{workspaceId}/ssh-sessions',
    caller: 'person',
  },
  'ssh.get': { method: 'GET', path: '/api/v1/ssh', caller: 'person' },
  'ssh.workspace': { method: 'GET', path: '/api/v1/workspaces/{workspaceId}/ssh', caller: 'person' },
  'store-source.create': {
    method: 'POST',
    path: '/api/v1/workspaces/{workspaceId}/store-sources',
    caller: 'person',
  },
  'store-source.delete': {
    method: 'DELETE',
    path: '/api/v1/workspaces/{workspaceId}/store-sources/{sourceId}',
    caller: 'person',
  },
  'store-source.list': {
    method: 'GET',
    path: '/api/v1/workspaces/{workspaceId}/store-sources',
    caller: 'person',
  },
  'store.check': { method: 'POST', path: '/api/v1/stores/{storeId}/check', caller: 'person' },
  'store.create': { method: 'POST', path: '/api/v1/stores', caller: 'person' },
  'store.delete': { method: 'DELETE', path: '/api/v1/stores/{storeId}', caller: 'person' },
  'store.list': { method: 'GET', path: '/api/v1/stores', caller: 'person' },
  'store.update': { method: 'PATCH', path: '/api/v1/stores/{storeId}', caller: 'person' },
  'template.create': { method: 'POST', path: '/api/v1/templates', caller: 'person' },
  'template.delete': { method: 'DELETE', path: '/api/v1/templates/{templateId}', caller: 'person' },
  'template.list': { method: 'GET', path: '/api/v1/templates', caller: 'person' },
  'template.update': { method: 'PATCH', path: '/api/v1/templates/{templateId}', caller: 'person' },
  'workload-identity.create': {
    method: 'POST',
    path: '/api/v1/projects/{projectId}/workload-identities',
    caller: 'person',
  },
  'workload-identity.delete': {
    method: 'DELETE',
    path: '/api/v1/projects/{projectId}/workload-identities/{workloadIdentityId}',
    caller: 'person',
  },
  'workload-identity.exchange': { method: 'POST', path: '/api/v1/workload-identity/token', caller: 'anyone' },
  'workload-identity.list': {
    method: 'GET',
    path: '/api/v1/projects/{projectId}/workload-identities',
    caller: 'person',
  },
  'workload-identity.test': {
    method: 'POST',
    path: '/api/v1/projects/{projectId}/workload-identities/{workloadIdentityId}/test',
    caller: 'person',
  },
  'workload-identity.update': {
    method: 'PATCH',
    path: '/api/v1/projects/{projectId}/workload-identities/{workloadIdentityId}',
    caller: 'person',
  },
  'workspace-secret.create': {
    method: 'POST',
    path: '/api/v1/workspaces/{workspaceId}/secrets',
    caller: 'person',
  },
  'workspace-secret.delete': {
    method: 'DELETE',
    path: '/api/v1/workspaces/{workspaceId}/secrets/{workspaceSecretId}',
    caller: 'person',
  },
  'workspace-secret.get': {
    method: 'GET',
    path: '/api/v1/workspaces/{workspaceId}/secrets/{workspaceSecretId}',
    caller: 'person',
  },
  'workspace-secret.list': {
    method: 'GET',
    path: '/api/v1/workspaces/{workspaceId}/secrets',
    caller: 'person',
  },
  'workspace-secret.presets': { method: 'GET', path: '/api/v1/workspace-secret-presets', caller: 'person' },
  'workspace-secret.reveal': {
    method: 'POST',
    path: '/api/v1/workspaces/{workspaceId}/secrets/{workspaceSecretId}/reveal',
    caller: 'person',
  },
  'workspace-secret.update': {
    method: 'PATCH',
    path: '/api/v1/workspaces/{workspaceId}/secrets/{workspaceSecretId}',
    caller: 'person',
  },
  'workspace-secret.versions': {
    method: 'GET',
    path: '/api/v1/workspaces/{workspaceId}/secrets/{workspaceSecretId}/versions',
    caller: 'person',
  },
  'workspace.create': { method: 'POST', path: '/api/v1/workspaces', caller: 'person' },
  'workspace.delete': { method: 'DELETE', path: '/api/v1/workspaces/{workspaceId}', caller: 'person' },
  'workspace.get': { method: 'GET', path: '/api/v1/workspaces/{workspaceId}', caller: 'person' },
  'workspace.list': { method: 'GET', path: '/api/v1/workspaces', caller: 'person' },
  'workspace.needs': { method: 'GET', path: '/api/v1/workspaces/{workspaceId}/needs', caller: 'person' },
  'workspace.update': { method: 'PATCH', path: '/api/v1/workspaces/{workspaceId}', caller: 'person' },
  'workspace.variables': {
    method: 'GET',
    path: '/api/v1/workspaces/{workspaceId}/variables',
    caller: 'person',
  },
} as const satisfies Record<string, RouteEntry>

/** Routes that are watched, not called. */
export const watchedRoutes = {
  'current.changes': {
    method: 'GET',
    path: '/api/v1/projects/current/changes',
    caller: 'machine',
    isEventStream: true,
  },
  'secret.changes': {
    method: 'GET',
    path: '/api/v1/projects/{projectId}/changes',
    caller: 'person',
    isEventStream: true,
  },
} as const satisfies Record<string, RouteEntry>

/** Each route's row in the contract, of which the types of parameters, query, body and answer are derived. */
export interface ContractRoutes {
  'access-key.activate': typeof accessKeys.activateAccessKey
  'access-key.create': typeof accessKeys.createAccessKey
  'access-key.deactivate': typeof accessKeys.deactivateAccessKey
  'access-key.delete': typeof accessKeys.deleteAccessKey
  'access-key.list': typeof accessKeys.listAccessKeys
  'access-key.regenerate': typeof accessKeys.regenerateAccessKey
  'access-key.update': typeof accessKeys.updateAccessKey
  'access-token.create': typeof accessTokens.createAccessToken
  'access-token.delete': typeof accessTokens.deleteAccessToken
  'access-token.list': typeof accessTokens.listAccessTokens
  'account.create': typeof accounts.createAccount
  'account.end_sessions': typeof accounts.endSessionsOfAccount
  'account.list': typeof accounts.listAccounts
  'account.password': typeof accounts.changePassword
  'account.reset_second_factor': typeof accounts.resetSecondFactor
  'account.update': typeof accounts.updateAccount
  'agent.applied': typeof deliveries.reportApplied
  'agent.certify': typeof workspaceAgents.certifyHostKey
  'agent.create_enrollment': typeof workspaceAgents.createEnrollment
  'agent.delivery': typeof deliveries.readDelivery
  'agent.disconnect': typeof workspaceAgents.disconnectAgent
  'agent.enroll': typeof workspaceAgents.enrollAgent
  'agent.get': typeof workspaceAgents.getCurrentWorkspace
  'agent.git_credential': typeof workspaceIdentity.readGitCredential
  'agent.identity': typeof workspaceIdentity.readIdentity
  'agent.renew': typeof workspaceAgents.renewCredential
  'agent.session': typeof deliveries.beginSession
  'agent.sign_gpg': typeof workspaceIdentity.signWithGpg
  'agent.sign_ssh': typeof workspaceIdentity.signForSsh
  'agent.start': typeof deliveries.startWorkspace
  'agent.use': typeof uses.reportWorkspaceUses
  'api-key.create': typeof apiKeys.createApiKey
  'api-key.delete': typeof apiKeys.deleteApiKey
  'api-key.get': typeof apiKeys.getApiKey
  'api-key.list': typeof apiKeys.listApiKeys
  'api-key.presets': typeof apiKeys.listApiKeyPresets
  'api-key.update': typeof apiKeys.updateApiKey
  'audit-destination.create': typeof auditDestinations.createAuditDestination
  'audit-destination.delete': typeof auditDestinations.deleteAuditDestination
  'audit-destination.list': typeof auditDestinations.listAuditDestinations
  'audit.checkpoint': typeof audit.getCheckpoint
  'audit.export': typeof audit.exportAudit
  'audit.growth': typeof audit.proveAuditGrowth
  'audit.list': typeof audit.listAudit
  'audit.prove': typeof audit.proveAuditRecord
  'credential.list': typeof credentials.listCredentials
  'current.create': typeof secrets.createCurrentSecret
  'current.delete': typeof secrets.deleteCurrentSecret
  'current.environments': typeof secrets.listCurrentEnvironments
  'current.get': typeof secrets.getCurrentProject
  'current.list': typeof secrets.listCurrentSecrets
  'current.secret': typeof secrets.readCurrentSecret
  'current.secrets': typeof secrets.readCurrentSecrets
  'current.update': typeof secrets.updateCurrentSecret
  'current.use': typeof uses.reportCurrentUses
  'device-login.approve': typeof deviceLogins.approveDeviceLogin
  'device-login.begin': typeof deviceLogins.beginDeviceLogin
  'device-login.deny': typeof deviceLogins.denyDeviceLogin
  'device-login.finish': typeof deviceLogins.finishDeviceLogin
  'device-login.get': typeof deviceLogins.findDeviceLogin
  'environment.create': typeof projects.createEnvironment
  'environment.delete': typeof projects.deleteEnvironment
  'environment.list': typeof projects.listEnvironments
  'environment.restore': typeof secrets.restoreEnvironment
  'environment.restore_preview': typeof secrets.previewRestore
  'environment.update': typeof projects.updateEnvironment
  'gpg-key.create': typeof gpgKeys.createGpgKey
  'gpg-key.delete': typeof gpgKeys.deleteGpgKey
  'gpg-key.get': typeof gpgKeys.getGpgKey
  'gpg-key.import': typeof gpgKeys.importGpgKey
  'gpg-key.list': typeof gpgKeys.listGpgKeys
  'gpg-key.publish': typeof gpgKeys.publishGpgKey
  'gpg-key.revocation': typeof gpgKeys.revokeGpgKey
  'identity-link.create': typeof identityProviders.createIdentityLink
  'identity-link.delete': typeof identityProviders.deleteIdentityLink
  'identity-link.list': typeof identityProviders.listIdentityLinks
  'identity-provider.create': typeof identityProviders.createIdentityProvider
  'identity-provider.delete': typeof identityProviders.deleteIdentityProvider
  'identity-provider.list': typeof identityProviders.listIdentityProviders
  'identity-provider.test': typeof identityProviders.testIdentityProvider
  'identity-provider.update': typeof identityProviders.updateIdentityProvider
  'instance.get': typeof instance.getInstance
  'invitation.accept': typeof invitations.acceptInvitation
  'invitation.create': typeof invitations.createInvitation
  'invitation.find': typeof invitations.findInvitation
  'invitation.list': typeof invitations.listInvitations
  'invitation.renew': typeof invitations.renewInvitation
  'invitation.revoke': typeof invitations.revokeInvitation
  'member.create': typeof projects.addMember
  'member.delete': typeof projects.removeMember
  'member.list': typeof projects.listMembers
  'member.update': typeof projects.updateMember
  'passkey.begin': typeof passkeys.beginPasskey
  'passkey.create': typeof passkeys.createPasskey
  'passkey.delete': typeof passkeys.deletePasskey
  'passkey.list': typeof passkeys.listPasskeys
  'passkey.update': typeof passkeys.renamePasskey
  'personal-secret.create': typeof personalSecrets.createPersonalSecret
  'personal-secret.delete': typeof personalSecrets.deletePersonalSecret
  'personal-secret.get': typeof personalSecrets.getPersonalSecret
  'personal-secret.list': typeof personalSecrets.listPersonalSecrets
  'personal-secret.reveal': typeof personalSecrets.revealPersonalSecret
  'personal-secret.update': typeof personalSecrets.updatePersonalSecret
  'personal-secret.versions': typeof personalSecrets.listPersonalSecretVersions
  'project.create': typeof projects.createProject
  'project.delete': typeof projects.deleteProject
  'project.get': typeof projects.getProject
  'project.list': typeof projects.listProjects
  'project.update': typeof projects.updateProject
  'reminder-webhook.delete': typeof reminders.deleteReminderWebhook
  'reminder-webhook.get': typeof reminders.getReminderWebhook
  'reminder-webhook.set': typeof reminders.setReminderWebhook
  'reminder-webhook.test': typeof reminders.testReminderWebhook
  'repository-provider.create': typeof repositories.createRepositoryProvider
  'repository-provider.delete': typeof repositories.deleteRepositoryProvider
  'repository-provider.list': typeof repositories.listRepositoryProviders
  'repository-provider.update': typeof repositories.updateRepositoryProvider
  'repository.confirm': typeof repositories.confirmRepository
  'repository.connect': typeof repositories.connectRepository
  'repository.disconnect': typeof repositories.disconnectRepository
  'repository.list': typeof repositories.listRepositoryConnections
  'repository.update': typeof repositories.updateRepositoryConnection
  'second-factor.begin': typeof secondFactor.beginTotp
  'second-factor.codes': typeof secondFactor.renewRecoveryCodes
  'second-factor.confirm': typeof secondFactor.confirmTotp
  'second-factor.delete': typeof secondFactor.deleteSecondFactor
  'second-factor.get': typeof secondFactor.getSecondFactor
  'secret-override.delete': typeof secretOverrides.deleteSecretOverride
  'secret-override.reveal': typeof secretOverrides.revealSecretOverride
  'secret-override.set': typeof secretOverrides.setSecretOverride
  'secret.compare': typeof secrets.compareEnvironments
  'secret.create': typeof secrets.createSecret
  'secret.delete': typeof secrets.deleteSecret
  'secret.get': typeof secrets.getSecret
  'secret.import': typeof secrets.importSecrets
  'secret.list': typeof secrets.listSecrets
  'secret.references': typeof secrets.listReferences
  'secret.restore': typeof secrets.restoreSecret
  'secret.reveal': typeof secrets.revealSecret
  'secret.update': typeof secrets.updateSecret
  'secret.use': typeof uses.reportUses
  'secret.versions': typeof secrets.listSecretVersions
  'session.create': typeof accounts.signIn
  'session.delete': typeof accounts.signOut
  'session.get': typeof accounts.getSession
  'session.options': typeof identityProviders.getSignInOptions
  'session.passkey': typeof passkeys.signInByPasskey
  'session.passkey_begin': typeof passkeys.beginPasskeySignIn
  'session.provider_begin': typeof identityProviders.beginProviderSignIn
  'session.reauthenticate': typeof accounts.reauthenticate
  'session.reauthenticate_passkey': typeof passkeys.confirmByPasskey
  'session.reauthenticate_passkey_begin': typeof passkeys.beginPasskeyConfirmation
  'session.reauthenticate_provider_begin': typeof identityProviders.beginProviderConfirmation
  'session.second_factor': typeof identityProviders.giveSecondFactor
  'sessions.end': typeof accounts.endSession
  'sessions.end_others': typeof accounts.endOtherSessions
  'sessions.list': typeof accounts.listSessions
  'settings.get': typeof settings.getSettings
  'settings.update': typeof settings.updateSettings
  'setup.create': typeof accounts.setUp
  'setup.get': typeof accounts.getSetup
  'share.create': typeof workspaces.createShare
  'share.delete': typeof workspaces.deleteShare
  'share.list': typeof workspaces.listShares
  'share.update': typeof workspaces.updateShare
  'ssh-identity.create': typeof sshIdentity.createSshIdentity
  'ssh-identity.delete': typeof sshIdentity.deleteSshIdentity
  'ssh-identity.destinations': typeof sshIdentity.setSshDestinations
  'ssh-identity.get': typeof sshIdentity.getSshIdentity
  'ssh-key.create': typeof sshKeys.createSshKey
  'ssh-key.delete': typeof sshKeys.deleteSshKey
  'ssh-key.list': typeof sshKeys.listSshKeys
  'ssh-session.end': typeof sshSessions.endSshSession
  'ssh-session.list': typeof sshSessions.listSshSessions
  'ssh.get': typeof ssh.getSshGateway
  'ssh.workspace': typeof ssh.getWorkspaceSsh
  'store-source.create': typeof stores.createStoreSource
  'store-source.delete': typeof stores.deleteStoreSource
  'store-source.list': typeof stores.listStoreSources
  'store.check': typeof stores.checkStore
  'store.create': typeof stores.createStore
  'store.delete': typeof stores.deleteStore
  'store.list': typeof stores.listStores
  'store.update': typeof stores.updateStore
  'template.create': typeof templates.createTemplate
  'template.delete': typeof templates.deleteTemplate
  'template.list': typeof templates.listTemplates
  'template.update': typeof templates.updateTemplate
  'workload-identity.create': typeof workloadIdentities.createWorkloadIdentity
  'workload-identity.delete': typeof workloadIdentities.deleteWorkloadIdentity
  'workload-identity.exchange': typeof workloadIdentities.exchangeIdentityToken
  'workload-identity.list': typeof workloadIdentities.listWorkloadIdentities
  'workload-identity.test': typeof workloadIdentities.testWorkloadIdentity
  'workload-identity.update': typeof workloadIdentities.updateWorkloadIdentity
  'workspace-secret.create': typeof workspaceSecrets.createWorkspaceSecret
  'workspace-secret.delete': typeof workspaceSecrets.deleteWorkspaceSecret
  'workspace-secret.get': typeof workspaceSecrets.getWorkspaceSecret
  'workspace-secret.list': typeof workspaceSecrets.listWorkspaceSecrets
  'workspace-secret.presets': typeof workspaceSecrets.listWorkspaceSecretPresets
  'workspace-secret.reveal': typeof workspaceSecrets.revealWorkspaceSecret
  'workspace-secret.update': typeof workspaceSecrets.updateWorkspaceSecret
  'workspace-secret.versions': typeof workspaceSecrets.listWorkspaceSecretVersions
  'workspace.create': typeof workspaces.createWorkspace
  'workspace.delete': typeof workspaces.deleteWorkspace
  'workspace.get': typeof workspaces.getWorkspace
  'workspace.list': typeof workspaces.listWorkspaces
  'workspace.needs': typeof templates.listWorkspaceNeeds
  'workspace.update': typeof workspaces.updateWorkspace
  'workspace.variables': typeof deliveries.listWorkspaceVariables
}
