import type { Migration } from 'kysely/migration'
import * as foundation from './0001-foundation.ts'
import * as personalSecrets from './0002-personal-secrets.ts'
import * as apiKeys from './0003-api-keys.ts'
import * as sshKeys from './0004-ssh-keys.ts'
import * as sshIdentities from './0005-ssh-identities.ts'
import * as gpgKeys from './0006-gpg-keys.ts'
import * as repositories from './0007-repositories.ts'
import * as reminders from './0008-reminders.ts'
import * as auditSubtrees from './0009-audit-subtrees.ts'
import * as sessions from './0010-sessions.ts'
import * as secondFactor from './0011-second-factor.ts'
import * as deviceLogins from './0012-device-logins.ts'
import * as auditSpans from './0013-audit-spans.ts'
import * as rootKeys from './0014-root-keys.ts'
import * as references from './0015-references.ts'
import * as passkeys from './0016-passkeys.ts'
import * as invitations from './0017-invitations.ts'
import * as workspaces from './0018-workspaces.ts'
import * as deletedSecrets from './0019-deleted-secrets.ts'
import * as identityProviders from './0020-identity-providers.ts'
import * as auditDestinations from './0021-audit-destinations.ts'
import * as workloadIdentities from './0022-workload-identities.ts'
import * as shortPasswords from './0023-short-passwords.ts'
import * as secretRotation from './0024-secret-rotation.ts'
import * as workspaceAgents from './0025-workspace-agents.ts'
import * as reportedUses from './0026-reported-uses.ts'
import * as workspaceSecrets from './0027-workspace-secrets.ts'
import * as secretOverrides from './0028-secret-overrides.ts'
import * as auditRemoved from './0029-audit-removed.ts'
import * as sshHostKeys from './0030-ssh-host-keys.ts'
import * as serverAddresses from './0031-server-addresses.ts'
import * as outsideStores from './0032-outside-stores.ts'
import * as appliedDeliveries from './0033-applied-deliveries.ts'
import * as templates from './0034-templates.ts'
import * as auditWorkspaces from './0035-audit-workspaces.ts'
import * as sshSessions from './0036-ssh-sessions.ts'
import * as sshDestinations from './0037-ssh-destinations.ts'

/** Every migration, oldest first. New ones are added at the end; landed ones never change. */
export function migrations(dialect: 'sqlite' | 'postgres'): Record<string, Migration> {
  return {
    '0001-foundation': { up: (db) => foundation.up(db, dialect) },
    '0002-personal-secrets': { up: (db) => personalSecrets.up(db, dialect) },
    '0003-api-keys': { up: (db) => apiKeys.up(db, dialect) },
    '0004-ssh-keys': { up: (db) => sshKeys.up(db, dialect) },
    '0005-ssh-identities': { up: (db) => sshIdentities.up(db, dialect) },
    '0006-gpg-keys': { up: (db) => gpgKeys.up(db, dialect) },
    '0007-repositories': { up: (db) => repositories.up(db, dialect) },
    '0008-reminders': { up: reminders.up },
    '0009-audit-subtrees': { up: (db) => auditSubtrees.up(db, dialect) },
    '0010-sessions': { up: sessions.up },
    '0011-second-factor': { up: (db) => secondFactor.up(db, dialect) },
    '0012-device-logins': { up: (db) => deviceLogins.up(db, dialect) },
    '0013-audit-spans': { up: auditSpans.up },
    '0014-root-keys': { up: (db) => rootKeys.up(db, dialect) },
    '0015-references': { up: references.up },
    '0016-passkeys': { up: (db) => passkeys.up(db, dialect) },
    '0017-invitations': { up: (db) => invitations.up(db, dialect) },
    '0018-workspaces': { up: workspaces.up },
    '0019-deleted-secrets': { up: (db) => deletedSecrets.up(db, dialect) },
    '0020-identity-providers': { up: (db) => identityProviders.up(db, dialect) },
    '0021-audit-destinations': { up: auditDestinations.up },
    '0022-workload-identities': { up: (db) => workloadIdentities.up(db, dialect) },
    '0023-short-passwords': { up: shortPasswords.up },
    '0024-secret-rotation': { up: secretRotation.up },
    '0025-workspace-agents': { up: (db) => workspaceAgents.up(db, dialect) },
    '0026-reported-uses': { up: reportedUses.up },
    '0027-workspace-secrets': { up: (db) => workspaceSecrets.up(db, dialect) },
    '0028-secret-overrides': { up: (db) => secretOverrides.up(db, dialect) },
    '0029-audit-removed': { up: (db) => auditRemoved.up(db, dialect) },
    '0030-ssh-host-keys': { up: sshHostKeys.up },
    '0031-server-addresses': { up: serverAddresses.up },
    '0032-outside-stores': { up: (db) => outsideStores.up(db, dialect) },
    '0033-applied-deliveries': { up: appliedDeliveries.up },
    '0034-templates': { up: templates.up },
    '0035-audit-workspaces': { up: (db) => auditWorkspaces.up(db, dialect) },
    '0036-ssh-sessions': { up: sshSessions.up },
    '0037-ssh-destinations': { up: sshDestinations.up },
  }
}
