/**
 * Every error code Keyhold answers with. Status and public text live here and nowhere else; each code has a page in
 * `docs/errors/`. The public text never quotes input.
 */
export const errors = {
  'access.address_refused': { status: 403, title: 'This access key may not be used from this address' },
  'access.refused': { status: 403, title: 'You may not do this' },
  'access.scope_missing': { status: 403, title: 'The access token lacks the scope for this' },
  'access_key.confirmation': { status: 400, title: 'Type the access key ID to confirm' },
  'access_key.expired': { status: 409, title: 'The access key has expired' },
  'access_key.limit': { status: 409, title: 'A project has at most two active access keys' },
  'access_key.not_found': { status: 404, title: 'Access key not found' },
  'access_key.total_limit': { status: 409, title: 'A project has at most 20 access keys' },
  'access_token.limit': { status: 409, title: 'A person has at most 200 access tokens' },
  'access_token.not_found': { status: 404, title: 'Access token not found' },
  'account.email_taken': { status: 409, title: 'This e-mail address already has an account' },
  'account.last_admin': { status: 409, title: 'The instance needs at least one active administrator' },
  'account.not_found': { status: 404, title: 'Account not found' },
  'account.password_change_required': { status: 403, title: 'Change your temporary password first' },
  'account.password_wrong': { status: 403, title: 'The current password is wrong' },
  'agent.enrollment_invalid': {
    status: 404,
    title: 'The enrollment token does not exist, has ended or was used',
  },
  'agent.host_key_changed': {
    status: 409,
    title: 'The workspace is known by another SSH host key; let its agent join anew',
  },
  'agent.not_connected': { status: 409, title: 'The workspace is stopped: its agent is not connected' },
  'agent.not_enrolled': { status: 409, title: 'The workspace has no agent' },
  'agent.pass_invalid': { status: 403, title: 'Who came in is no longer let in like this; connect again' },
  'api_key.expired': { status: 403, title: 'The API key has expired' },
  'api_key.limit': { status: 409, title: 'A person has at most 100 API keys for outside services' },
  'api_key.name_taken': { status: 409, title: 'You already have an API key of this name' },
  'api_key.not_found': { status: 404, title: 'API key not found' },
  'api_key.request_refused': { status: 403, title: 'The API key may not be sent with this request' },
  'audit.incomplete': { status: 500, title: 'The audit log lacks records; somebody changed the database' },
  'audit.record_not_found': { status: 404, title: 'Audit record not found' },
  'audit.record_removed': {
    status: 410,
    title: 'The audit record was removed, as it was older than records are kept',
  },
  'audit.shorter': {
    status: 409,
    title: 'The audit log has fewer records than that; it was cut, or rolled back to a backup',
  },
  'audit.unavailable': {
    status: 503,
    title: 'Nothing is delivered while the audit record cannot be written',
  },
  'audit_destination.exists': { status: 409, title: 'The audit log is sent there already' },
  'audit_destination.limit': { status: 409, title: 'The audit log is sent to at most 20 destinations' },
  'audit_destination.not_found': { status: 404, title: 'Audit destination not found' },
  'auth.required': { status: 401, title: 'Sign in, or send a valid credential' },
  'device_login.access_denied': { status: 400, title: 'The sign-in was turned away' },
  'device_login.authorization_pending': { status: 400, title: 'Nobody has approved the sign-in yet' },
  'device_login.confirmation_required': {
    status: 400,
    title: 'The sign-in is approved; give the confirmation code that was shown there',
  },
  'device_login.confirmation_wrong': {
    status: 400,
    title: 'The confirmation code is not the one that was shown',
  },
  'device_login.expired_token': { status: 400, title: 'The sign-in took too long, or is over; begin again' },
  'device_login.not_found': { status: 404, title: 'No machine asks to be signed in with this code' },
  'device_login.slow_down': { status: 400, title: 'Ask less often whether the sign-in is approved' },
  'environment.changed': { status: 409, title: 'The environment changed since you looked at it' },
  'environment.confirmation': { status: 400, title: 'Type the environment name to confirm' },
  'environment.default': { status: 409, title: 'The environment All cannot be renamed or deleted' },
  'environment.limit': { status: 409, title: 'A project has at most 100 environments' },
  'environment.name_taken': { status: 409, title: 'The project already has an environment of this name' },
  'environment.not_found': { status: 404, title: 'Environment not found' },
  'gpg_key.exists': { status: 409, title: 'You already have this GPG key' },
  'gpg_key.expired': { status: 409, title: 'The GPG key has expired' },
  'gpg_key.limit': { status: 409, title: 'A person has at most 10 GPG keys' },
  'gpg_key.not_found': { status: 404, title: 'GPG key not found' },
  'gpg_key.sign_refused': { status: 403, title: 'The GPG key does not sign this' },
  'invitation.exists': { status: 409, title: 'There is an open invitation to this e-mail address' },
  'invitation.limit': { status: 409, title: 'The instance has at most 1,000 open invitations' },
  'invitation.link_invalid': { status: 404, title: 'The invitation does not exist, has ended or was used' },
  'invitation.not_found': { status: 404, title: 'Invitation not found, or it was accepted' },
  'identity_link.last': { status: 409, title: 'Nothing else would sign you in; set a password first' },
  'identity_link.not_found': { status: 404, title: 'Link to an identity provider not found' },
  'identity_provider.exists': { status: 409, title: 'A provider with this issuer is already registered' },
  'identity_provider.in_use': { status: 409, title: 'People sign in at this provider' },
  'identity_provider.limit': { status: 409, title: 'An instance has at most 20 identity providers' },
  'identity_provider.not_found': { status: 404, title: 'Identity provider not found' },
  'identity_provider.unavailable': { status: 502, title: 'The identity provider did not help' },
  'member.exists': { status: 409, title: 'This person is already a member of the project' },
  'member.last_admin': { status: 409, title: 'A project needs at least one Admin' },
  'member.not_found': { status: 404, title: 'Member not found' },
  'personal_secret.changed': { status: 409, title: 'The personal secret changed since you read it' },
  'personal_secret.limit': {
    status: 409,
    title: 'A person has at most 50 personal secrets with 200 KiB of values, 24 KiB of it in variables',
  },
  'personal_secret.not_found': { status: 404, title: 'Personal secret not found' },
  'personal_secret.taken': {
    status: 409,
    title: 'Another of your personal secrets has this name, variable or file path',
  },
  'project.confirmation': { status: 400, title: 'Type the project name to confirm' },
  'passkey.copied': { status: 403, title: 'The passkey counts backwards; it may have been copied' },
  'passkey.exists': { status: 409, title: 'This passkey is registered already' },
  'passkey.last': { status: 409, title: 'Nothing else would sign you in; set a password first' },
  'passkey.limit': { status: 409, title: 'A person has at most 20 passkeys' },
  'passkey.not_found': { status: 404, title: 'Passkey not found' },
  'passkey.refused': { status: 403, title: 'The passkey was not accepted' },
  'passkey.unavailable': { status: 409, title: 'Passkeys need Keyhold at a domain name, over HTTPS' },
  'project.name_taken': { status: 409, title: 'You already have a project of this name' },
  'project.not_found': { status: 404, title: 'Project not found' },
  'rate.limited': { status: 429, title: 'Too many attempts; wait and try again' },
  'reminder_webhook.not_found': { status: 404, title: 'No address is set for your reminders' },
  'repository_connection.broken': { status: 409, title: 'The connection to the code repositories is broken' },
  'repository_connection.confirmation': { status: 400, title: 'The confirmation code is wrong or too old' },
  'repository_connection.exists': { status: 409, title: 'You are already connected to this provider' },
  'repository_connection.no_token': { status: 409, title: 'The connection has no OAuth token' },
  'repository_connection.not_found': { status: 404, title: 'Repository connection not found' },
  'repository_connection.pending_limit': {
    status: 409,
    title: 'Too many connections were begun and not finished',
  },
  'repository_provider.exists': { status: 409, title: 'A provider with this host is already registered' },
  'repository_provider.in_use': { status: 409, title: 'People are connected to this provider' },
  'repository_provider.limit': {
    status: 409,
    title: 'An instance has at most 200 code repository providers',
  },
  'repository_provider.no_client': {
    status: 409,
    title: 'The provider has no OAuth application; use SSH, or ask an administrator',
  },
  'repository_provider.not_found': { status: 404, title: 'Code repository provider not found' },
  'repository_provider.unavailable': { status: 502, title: 'The code repository provider did not help' },
  'request.cross_site': { status: 403, title: 'The request came from another site' },
  'request.invalid': { status: 400, title: 'The request is not valid' },
  'request.timeout': { status: 408, title: 'The request took too long to arrive' },
  'request.too_large': { status: 413, title: 'The request is too large' },
  'request.unsupported_type': { status: 415, title: 'Send application/json' },
  'root_key.in_use': { status: 409, title: 'A server that runs was started with this root key' },
  'root_key.keyring_changed': { status: 409, title: 'The keyring grew meanwhile; run the command again' },
  'root_key.none_to_retire': { status: 409, title: 'This is not the root key that was current before' },
  'root_key.not_current': { status: 409, title: 'This command was given the root key that is to be retired' },
  'root_key.not_prepared': { status: 409, title: 'This root key was not prepared' },
  'root_key.rotating': { status: 409, title: 'Another root key is about to take over, or to be retired' },
  'root_key.used': { status: 409, title: 'This root key was one of this instance before' },
  'route.not_found': { status: 404, title: 'There is nothing at this address' },
  'second_factor.code_wrong': { status: 403, title: 'The code is wrong, or was used already' },
  'second_factor.exists': { status: 409, title: 'You have a second factor; turn it off first to replace it' },
  'second_factor.not_begun': { status: 409, title: 'There is no authenticator to confirm' },
  'second_factor.not_found': { status: 404, title: 'You have no second factor' },
  'second_factor.password_short': {
    status: 409,
    title: 'Set a password of at least 15 characters first',
  },
  'second_factor.required': { status: 403, title: 'This instance requires a second factor' },
  'secret.changed': { status: 409, title: 'The secret changed since you read it' },
  'secret.exists': { status: 409, title: 'A secret of this name already exists in this environment' },
  'secret.limit': { status: 409, title: 'An environment holds at most 1,000 secrets and 16 MiB of values' },
  'secret.not_found': { status: 404, title: 'Secret not found' },
  'secret_override.limit': {
    status: 409,
    title: 'In a project a person has at most 200 values of their own, of 2 MiB together',
  },
  'secret_override.not_found': { status: 404, title: 'You have no value of your own for this secret' },
  'secret.unreadable': {
    status: 500,
    title: 'The stored value does not decrypt; it was changed outside Keyhold',
  },
  'secret.unresolved': { status: 409, title: 'A reference in the secret has no value' },
  'secret.version_not_found': { status: 404, title: 'The secret has no such version' },
  'server.error': { status: 500, title: 'Something went wrong on the server' },
  'server.sealed': { status: 503, title: 'The server waits for the passphrase of its root key' },
  'session.complete': { status: 409, title: 'You are signed in already; no code is needed' },
  'session.not_found': { status: 404, title: 'Session not found' },
  'session.reauthentication_required': { status: 403, title: 'Confirm first that it is you' },
  'session.second_factor_required': {
    status: 403,
    title: 'Finish signing in with a code or a passkey',
  },
  'setup.code_wrong': { status: 403, title: 'The set-up code is wrong' },
  'setup.done': { status: 409, title: 'This instance is already set up' },
  'share.exists': { status: 409, title: 'The workspace is shared with this person already' },
  'share.limit': { status: 409, title: 'The workspace is shared with as many people as it can be' },
  'ssh_session.not_found': { status: 404, title: 'SSH session not found' },
  'share.not_found': { status: 404, title: 'Share not found' },
  'sign_in.code_required': { status: 401, title: 'Give a code of your authenticator, or a recovery code' },
  'sign_in.failed': { status: 401, title: 'E-mail address, password or code is wrong' },
  'sign_in.passkey_failed': { status: 401, title: 'The passkey does not sign you in here' },
  'sign_in.provider_refused': {
    status: 403,
    title: 'What the identity provider says does not sign you in here',
  },
  'ssh.off': { status: 409, title: 'This instance has no SSH gateway' },
  'ssh_identity.exists': { status: 409, title: 'You already have an SSH identity' },
  'ssh_identity.not_found': { status: 404, title: 'You have no SSH identity' },
  'ssh_identity.sign_refused': { status: 403, title: 'The SSH identity does not sign this' },
  'ssh_key.exists': { status: 409, title: 'This SSH key is registered already' },
  'ssh_key.is_identity': {
    status: 409,
    title: 'This key is an SSH identity of Keyhold; add a key that is on your own machine',
  },
  'ssh_key.limit': { status: 409, title: 'A person has at most 50 SSH keys' },
  'ssh_key.not_found': { status: 404, title: 'SSH key not found' },
  'storage.full': { status: 507, title: 'The disk is full; nothing was changed' },
  'storage.unavailable': {
    status: 503,
    title: 'The database does not answer; whether a change was made is not known',
  },
  'store.exists': { status: 409, title: 'There is an outside store of this name already' },
  'store.in_use': { status: 409, title: 'Workspaces take something of this outside store' },
  'store.limit': { status: 409, title: 'An instance has at most 50 outside stores' },
  'store.not_found': { status: 404, title: 'Outside store not found' },
  'store.unavailable': { status: 502, title: 'The outside store did not give what was asked for' },
  'store_source.exists': { status: 409, title: 'The workspace takes this of the outside store already' },
  'store_source.limit': { status: 409, title: 'A workspace takes at most 20 paths of outside stores' },
  'store_source.not_found': { status: 404, title: 'The workspace takes no such thing of an outside store' },
  'store_source.path_refused': {
    status: 403,
    title: 'Administrators do not let this workspace take this of the outside store',
  },
  'template.limit': { status: 409, title: 'An instance has at most 500 templates' },
  'template.name_taken': { status: 409, title: 'There is a template of this name already' },
  'template.not_found': { status: 404, title: 'Template not found, or not yours to change' },
  'transport.insecure': { status: 403, title: 'Use HTTPS' },
  'workspace.confirmation': { status: 400, title: 'Type the workspace name to confirm' },
  'workspace.limit': { status: 409, title: 'You own as many workspaces as one person can' },
  'workspace.name_taken': { status: 409, title: 'You own a workspace of this name already' },
  'workspace.not_found': { status: 404, title: 'Workspace not found' },
  'workspace_secret.changed': { status: 409, title: 'The secret changed since you read it' },
  'workspace_secret.limit': {
    status: 409,
    title: 'A workspace has at most 200 secrets with 4 MiB of values, 256 KiB of it in variables',
  },
  'workspace_secret.not_found': { status: 404, title: 'Secret of a workspace not found' },
  'workspace_secret.taken': {
    status: 409,
    title: 'Another secret of the workspace has this name, variable or file path',
  },
  'workload_identity.issuer_unavailable': {
    status: 503,
    title: 'The keys of the issuer of this token cannot be had now',
  },
  'workload_identity.limit': { status: 409, title: 'A project has at most 50 workload identities' },
  'workload_identity.not_found': { status: 404, title: 'Workload identity not found' },
  'workload_identity.token_refused': { status: 401, title: 'The token of this machine was not accepted' },
} as const

export type ErrorCode = keyof typeof errors

/** One invalid field. `field` is a path such as `ipRestriction[1]`; `message` never quotes the value. */
export interface FieldError {
  readonly field: string
  readonly message: string
}

/** The body of every error (RFC 9457, `application/problem+json`). */
export interface Problem {
  /** Address of the page that explains the code. */
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail?: string
  /** Names this request in the server's log. */
  readonly traceId: string
  readonly code: ErrorCode
  readonly errors?: readonly FieldError[]
  /** `secret.not_found`: why that may be, most likely first. */
  readonly reasons?: readonly string[]
  /** `secret.not_found`: names that exist and look alike. */
  readonly nearMatches?: readonly string[]
}
