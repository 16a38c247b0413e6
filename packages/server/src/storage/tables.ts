import type { Kysely, Transaction as KyselyTransaction } from 'kysely'

/*
 * The database, one type per table. Times are milliseconds since 1970 in UTC; flags are times (`disabled_at`), so that
 * a row also says when. Values are only ever `sealed`: see vault/vault.ts for the format.
 */

/** A secret that goes into variables and files of workspaces, a person's or a workspace's. */
export interface TargetedSecretRow {
  id: string
  name: string
  /** Unique for its owner: a person's case-folded, NFKC; a workspace's as it is. */
  name_key: string
  type: 'token' | 'password' | 'key' | 'file'
  description: string
  /** Unique for its owner. */
  env_name: string | null
  file_path: string | null
  is_enabled: number
  current_version: number
  /** Bytes of the current value. */
  value_bytes: number
  /** 0 when the current value is too short or too ordinary to be masked. */
  is_masked: number
  created_at: number
  updated_at: number
  /** When the current version was made. */
  rotated_at: number
  expires_at: number | null
  last_used_at: number | null
}

export interface SecretVersionRow {
  version: number
  sealed: Uint8Array
  encoding: 'utf8' | 'base64'
  created_at: number
}

export interface Tables {
  /** Facts about the instance, by name. */
  instance: { name: string; value: string }

  /** Root keys by name, never the keys. At most one in each state but `retired`. */
  root_keys: {
    fingerprint: string
    /**
     * `next`: prepared, opens the keyring; `current`; `previous`: was current, still opens the keyring; `retired`: opens
     * only backups made while it was current.
     */
    state: 'next' | 'current' | 'previous' | 'retired'
    created_at: number
    activated_at: number | null
    retired_at: number | null
    /** When a recovery kit of it was printed, and when somebody typed one back. */
    kit_made_at: number | null
    kit_proven_at: number | null
  }
  keyring: {
    version: number
    /** The keyring key, wrapped by the current root key. */
    wrapped: Uint8Array
    root_fingerprint: string
    /** Data keys wrapped so far. */
    uses: number
    created_at: number
  }
  /** The keyring keys once more, wrapped by the root key that is coming or going. */
  keyring_wraps: { root_fingerprint: string; version: number; wrapped: Uint8Array }
  /** Servers that run, or ran until a moment ago. */
  servers: {
    id: string
    host: string
    release: string
    /** Of the root key that it was started with. */
    root_fingerprint: string
    started_at: number
    seen_at: number
    /** Where the other servers reach it; absent in rows of releases that did not say. */
    internal_url: string | null
  }
  data_keys: {
    /** 32 hex digits. */
    id: string
    owner: string
    keyring_version: number
    wrapped: Uint8Array
    /** Values sealed so far. */
    uses: number
    created_at: number
    /** Set when a newer data key of the owner took over sealing. */
    retired_at: number | null
  }

  accounts: {
    id: string
    /** As typed. */
    email: string
    /** Lower case, NFC; unique. */
    email_key: string
    name: string
    role: 'admin' | 'member'
    password_hash: string
    must_change_password: number
    /** 1 when the password is good only together with a second factor. */
    has_short_password: number | null
    created_at: number
    disabled_at: number | null
    /** Since when signing in takes a second factor. */
    second_factor_at: number | null
  }
  /** Secrets of authenticators. One that is not confirmed does not count. */
  totp_factors: {
    account_id: string
    id: string
    sealed: Uint8Array
    created_at: number
    confirmed_at: number | null
    /** The last time step whose code was used: no code works twice. */
    last_step: number
    last_used_at: number | null
  }
  recovery_codes: { account_id: string; code_hash: Uint8Array; used_at: number | null }
  sessions: {
    id: string
    account_id: string
    token_hash: Uint8Array
    created_at: number
    authenticated_at: number
    last_used_at: number
    expires_at: number
    /** From where it was begun, and with what. */
    address: string | null
    client: string | null
    /** By what: `password`, `passkey`, or the label of an identity provider. */
    signed_in_by: string | null
    /**
     * What an identity provider that signed in means for it: `pending` when a code or passkey is still to come, `provider`
     * when the provider has asked for one. null: what the account says.
     */
    second_factor: 'pending' | 'provider' | null
  }
  identity_providers: {
    id: string
    /** As the provider writes it; unique. Never changes: links are bound to it. */
    issuer: string
    label: string
    client_id: string
    sealed_client_secret: Uint8Array | null
    secret_version: number
    /** JSON: whom it lets in, and what its word is worth. */
    rules: string
    created_at: number
    updated_at: number
  }
  identity_links: {
    id: string
    account_id: string
    provider_id: string
    /** As the provider writes it; unique for the provider. */
    subject: string
    email: string | null
    created_at: number
    last_used_at: number | null
  }
  passkeys: {
    id: string
    account_id: string
    name: string
    /** As the authenticator made it; unique on the instance. */
    credential_id: Uint8Array
    /** COSE_Key (RFC 9052 §7). */
    public_key: Uint8Array
    /** The highest that was seen; 0 for authenticators that do not count. */
    sign_count: number
    /** JSON array. */
    transports: string
    /** Model of the authenticator; zeros when it does not say. */
    aaguid: string
    /** 1 when it is backed up to other devices. */
    is_synced: number
    created_at: number
    last_used_at: number | null
  }
  /** Sign-ins and confirmations that a browser has begun with a passkey or at an identity provider. Each is used once. */
  sign_in_attempts: {
    /** Hash of the cookie of that browser. */
    browser_hash: Uint8Array
    purpose: string
    /** What the answer has to hold: WebAuthn's challenge, or OpenID Connect's state. */
    challenge: string
    /** Whose answer it has to be, and the session or token that began; null when nobody is signed in. */
    account_id: string | null
    credential_id: string | null
    provider_id: string | null
    expires_at: number
  }
  access_tokens: {
    id: string
    account_id: string
    name: string
    token_hash: Uint8Array
    partial_token: string
    /** JSON array; null for all rights. */
    scopes: string | null
    created_at: number
    expires_at: number | null
    last_used_at: number | null
  }
  workload_identities: {
    id: string
    project_id: string
    name: string
    preset: 'github' | 'gitlab' | 'kubernetes' | 'custom'
    issuer: string
    audience: string
    /** JSON object: claims and the values that they must have. */
    claims: string
    /** JSON Web Key Set; null: fetched from the issuer. */
    jwks: string | null
    permission: 'read' | 'read_write'
    is_single_use: number
    is_active: number
    created_at: number
    created_by: string | null
    last_used_at: number | null
    last_subject: string | null
  }
  /** What machines were let in with, for an hour at most. */
  workload_credentials: {
    id: string
    identity_id: string
    secret_hash: Uint8Array
    subject: string
    created_at: number
    expires_at: number
  }
  /** Tokens that were taken once and are not taken again. */
  workload_token_uses: { identity_id: string; token_hash: Uint8Array; expires_at: number }
  /** Places of use that were recorded, for some days: the same again is no new record. Both keys are SHA-256. */
  reported_uses: { run_key: string; place_key: string; reported_at: number }
  /** Links by which people make their own accounts. */
  invitations: {
    id: string
    email: string
    /** The address in its one form while it can be accepted: one at a time for each. */
    open_email_key: string | null
    role: 'admin' | 'member'
    /** JSON array of project ids and roles. */
    projects: string
    token_hash: Uint8Array
    invited_by: string
    created_at: number
    expires_at: number
    mailed_at: number | null
    accepted_at: number | null
  }
  /** Machines that ask to be signed in. */
  device_logins: {
    id: string
    device_code_hash: Uint8Array
    user_code_hash: Uint8Array
    name: string
    /** JSON array; null for all rights. */
    scopes: string | null
    token_expires_at: number
    address: string | null
    client: string | null
    created_at: number
    expires_at: number
    interval_seconds: number
    last_polled_at: number | null
    is_denied: number
    /** Who approved it, and with what; null while nobody has. */
    account_id: string | null
    session_id: string | null
    access_token_id: string | null
    confirmation_hash: Uint8Array | null
    wrong_codes: number
  }

  projects: {
    id: string
    name: string
    /** Case-folded, NFKC. */
    name_key: string
    description: string
    created_at: number
  }
  project_members: {
    project_id: string
    account_id: string
    role: 'admin' | 'regular' | 'read_only'
    created_at: number
  }
  environments: {
    id: string
    project_id: string
    name: string
    /** Case-folded; unique in the project. */
    name_key: string
    description: string
    external_url: string | null
    /** 1 for `All`. */
    is_default: number
    created_at: number
  }

  workspaces: {
    id: string
    owner_id: string
    name: string
    /** Case-folded, NFKC; unique among the owner's. */
    name_key: string
    description: string
    created_at: number
  }
  workspace_shares: {
    workspace_id: string
    account_id: string
    level: 'view' | 'edit' | 'admin'
    created_at: number
  }
  /** What new workspaces start from. */
  templates: {
    id: string
    owner_id: string
    name: string
    /** Case-folded, NFKC; unique. */
    name_key: string
    description: string
    /** JSON array of names and descriptions, never values. */
    needs: string
    created_at: number
    updated_at: number
  }
  /** What a workspace needs, as the template said when it was made. */
  workspace_needs: { workspace_id: string; template: string; needs: string }
  /** Environments of projects whose secrets a workspace gets, the first of them first. */
  workspace_environments: { workspace_id: string; environment_id: string; position: number }
  /** The token with which the next agent of a workspace joins it; one that was used stays, so that a second use is known. */
  workspace_enrollments: {
    workspace_id: string
    token_hash: Uint8Array
    created_at: number
    expires_at: number
    used_at: number | null
  }
  /** The agent of a workspace, and where it is connected. The row stays when it is cut off. */
  workspace_agents: {
    workspace_id: string
    /** Grows with each agent that joins and each that is cut off; only credentials of this one count. */
    epoch: number
    login_name: string
    release: string
    /** null when it was cut off. */
    enrolled_at: number | null
    /** Public key of its SSH server, as a line; null until the agent has told it. */
    host_key: string | null
    /** Grows when the agent has something to fetch. */
    changes: number
    /** The newest connection; null when it ended. */
    connection_id: string | null
    server_id: string | null
    connected_at: number | null
    /** When the server last had the connection. */
    seen_at: number | null
  }
  /** What the agent of a workspace last said is in effect. Of an epoch before, it counts no more. */
  workspace_applied: {
    workspace_id: string
    epoch: number
    /** Of the delivery. */
    version: string
    /** JSON, see AppliedItem. No values. */
    items: string
    applied_at: number
  }
  /** Who is in by SSH, through which server. A row is leave to go on. */
  ssh_sessions: {
    id: string
    workspace_id: string
    account_id: string
    server_id: string
    /** As what they came in. */
    level: 'owner' | 'admin' | 'edit'
    address: string
    /** Of the key that they came with. */
    fingerprint: string
    began_at: number
  }
  /** Credentials of agents. One that was replaced stays, so that a second holder gives itself away. */
  workspace_credentials: {
    id: string
    workspace_id: string
    epoch: number
    token_hash: Uint8Array
    /** 0: it has to be renewed, whatever its age, since a share has ended. */
    created_at: number
    /** null: the agent may never have got it, and the one before is good. */
    used_at: number | null
    replaced_at: number | null
  }

  secrets: {
    id: string
    project_id: string
    environment_id: string
    name: string
    type: 'token' | 'password' | 'key' | 'file'
    description: string
    current_version: number
    /** 0 when the current value is too short or too ordinary to be masked. */
    is_masked: number
    created_at: number
    updated_at: number
    /** Name of the person as it was then, or access key ID. */
    updated_by: string | null
    last_accessed_at: number | null
    /** Of the current version. */
    has_references: number
    /** When it was last deleted and came back. */
    gone_from: number | null
    gone_until: number | null
    note: string
    /** Days after which it is due for a new value; 0: never, null: as the instance has it for its type. */
    rotation_days: number | null
    /** When the current version was made. */
    rotated_at: number
  }
  secret_versions: {
    secret_id: string
    version: number
    sealed: Uint8Array
    encoding: 'utf8' | 'base64'
    created_at: number
    created_by: string | null
    /** 1 when `${NAME}` in the value stands for another secret; part of what the value is bound to. */
    has_references: number
  }
  /** Deleted ones, kept for a while for restores: see secret/deleted-secret.store.ts. */
  deleted_secrets: Pick<
    Tables['secrets'],
    | 'id'
    | 'project_id'
    | 'environment_id'
    | 'name'
    | 'type'
    | 'description'
    | 'current_version'
    | 'created_at'
    | 'gone_from'
    | 'gone_until'
    | 'note'
    | 'rotation_days'
  > & { deleted_at: number }
  deleted_secret_versions: Tables['secret_versions']
  deleted_secret_references: Tables['secret_references']
  /** The names that values refer to, so that they are found without opening anything. */
  secret_references: {
    secret_id: string
    version: number
    /** As written; empty for the environment that is read. */
    environment: string
    name: string
  }

  access_keys: {
    id: string
    project_id: string
    secret_hash: Uint8Array
    permission: 'read' | 'read_write'
    /** JSON array of canonical addresses and ranges. */
    ip_restriction: string
    /** 1 or 2 while active, null while inactive. Unique in the project: the database settles who gets the last place. */
    slot: number | null
    created_at: number
    created_by: string | null
    expires_at: number | null
    last_used_at: number | null
    last_used_address: string | null
    /** When its secret was last replaced. */
    regenerated_at: number | null
  }
  /** What a person was reminded of, and by which way: once for each date of each credential. */
  reminders: {
    account_id: string
    credential_kind: string
    credential_id: string
    reason: 'expires' | 'rotation'
    /** The date that it is about. */
    due_at: number
    mailed_at: number | null
    posted_at: number | null
  }
  /** Where a person wants reminders sent, besides e-mail. */
  reminder_webhooks: {
    id: string
    account_id: string
    url: string
    created_at: number
    last_attempt_at: number | null
    last_failure: string | null
  }
  /** Work that is done by the clock, and which server has it in hand. */
  jobs: { name: string; lease_until: number; started_at: number }

  /** Values of members of a project for names in its environments, each for that member alone. */
  secret_overrides: {
    id: string
    project_id: string
    account_id: string
    environment_id: string
    name: string
    version: number
    sealed: Uint8Array
    encoding: 'utf8' | 'base64'
    is_masked: number
    created_at: number
    updated_at: number
  }
  personal_secrets: TargetedSecretRow & {
    account_id: string
    /** JSON array of ids; null for all. */
    workspaces: string | null
  }
  personal_secret_versions: SecretVersionRow & { personal_secret_id: string }
  workspace_secrets: TargetedSecretRow & {
    workspace_id: string
    note: string
    /** 0: never; null: as the instance has it for its type. */
    rotation_days: number | null
  }
  workspace_secret_versions: SecretVersionRow & { workspace_secret_id: string }
  gpg_keys: {
    id: string
    account_id: string
    /** Upper case hex; unique among the person's. */
    fingerprint: string
    key_id: string
    /** JSON array. */
    user_ids: string
    email: string
    algorithm: string
    /** Armored. */
    public_key: string
    /** The private key, binary, without a passphrase of its own. */
    sealed: Uint8Array
    created_at: number
    expires_at: number | null
    last_used_at: number | null
  }
  gpg_key_deployments: {
    gpg_key_id: string
    /** Of a connection that may be gone. */
    connection_id: string
    provider: string
    status: 'published' | 'missing-scope' | 'failed'
    remote_id: string | null
    missing_scope: string | null
    reason: string | null
    updated_at: number
  }
  ssh_identities: {
    id: string
    account_id: string
    type: 'ssh-ed25519' | 'ssh-rsa'
    /** The public key. */
    blob: Uint8Array
    comment: string
    /** The private key, PKCS #8. */
    sealed: Uint8Array
    created_at: number
    last_used_at: number | null
    /** JSON of the hosts that it is for; null: any. */
    destinations: string | null
  }
  ssh_keys: {
    id: string
    account_id: string
    /** `SHA256:…`; unique on the instance. */
    fingerprint: string
    type: string
    blob: Uint8Array
    bits: number
    /** Empty when there is none. */
    comment: string
    created_at: number
    expires_at: number | null
    last_used_at: number | null
  }

  api_keys: {
    id: string
    account_id: string
    name: string
    /** Case-folded, NFKC; unique for the person. */
    name_key: string
    service: string
    description: string
    base_url: string
    /** JSON array of canonical `host` or `host:port`. */
    allowed_hosts: string
    /** JSON, as in the API. */
    placement: string
    /** JSON arrays; null for all. */
    allowed_methods: string | null
    allowed_paths: string | null
    /** Bound to all of the above but service and description. */
    sealed: Uint8Array
    version: number
    created_at: number
    updated_at: number
    /** When the value was last replaced. */
    rotated_at: number
    expires_at: number | null
    last_used_at: number | null
  }
  /** Where values are that Keyhold fetches and does not keep. */
  outside_stores: {
    id: string
    name: string
    /** Case-folded, NFKC; unique. */
    name_key: string
    kind: 'vault' | 'aws' | 'azure'
    /** Without a slash at its end. Never changes: the credential would go to another address. */
    address: string
    /** JSON object. */
    settings: string
    /** PEM. */
    ca: string | null
    /** JSON array. */
    paths: string
    sealed_credential: Uint8Array
    credential_version: number
    created_at: number
    updated_at: number
  }
  /** What workspaces take of outside stores. */
  store_sources: {
    id: string
    workspace_id: string
    store_id: string
    path: string
    /** JSON array; null: each value in a variable of its own name. */
    variables: string | null
    on_failure: 'stop' | 'warn'
    created_at: number
  }
  repository_providers: {
    id: string
    type: 'github' | 'gitlab' | 'bitbucket'
    kind: 'default' | 'internal'
    /** Without a slash at its end. Never changes: tokens would go to another address than they came from. */
    base_url: string
    /** Host and port of the base URL. */
    host: string
    client_id: string | null
    sealed_client_secret: Uint8Array | null
    secret_version: number
    /** PEM. */
    ca: string | null
    /** JSON array. */
    scopes: string
    created_at: number
    updated_at: number
  }
  repository_connections: {
    id: string
    account_id: string
    provider_id: string
    method: 'oauth' | 'ssh'
    /** Sealed with the tokens; each new pair is a new version. */
    token_version: number
    sealed_token: Uint8Array | null
    sealed_refresh_token: Uint8Array | null
    token_expires_at: number | null
    token_changed_at: number | null
    login: string | null
    /** How the provider's API names the account, where that is not the login. */
    remote_id: string | null
    /** JSON array. */
    scopes: string
    broken_reason: string | null
    /** Whoever refreshes holds the lease until then; nobody holds a lock while the provider is asked. */
    lease_id: string | null
    lease_expires_at: number | null
    created_at: number
    updated_at: number
    last_used_at: number | null
  }
  /** Connections that were begun. After the provider's answer only those that wait for a confirmation code stay. */
  repository_authorizations: {
    id: string
    account_id: string
    provider_id: string
    session_id: string | null
    access_token_id: string | null
    /** null once it was used. */
    state_hash: Uint8Array | null
    /** Hash of the cookie of the browser that began; null when an access token did. */
    browser_hash: Uint8Array | null
    code_hash: Uint8Array | null
    wrong_codes: number
    sealed_tokens: Uint8Array | null
    created_at: number
    expires_at: number
  }

  audit_records: {
    /** Position in the tree, from 0. */
    leaf_index: number
    leaf_hash: Uint8Array
    /** The exact bytes that are hashed, as JSON text. */
    record: string
    /* Copies for filtering; the record alone is the truth. */
    time: number
    action: string
    outcome: string
    actor_id: string | null
    project_id: string | null
    secret_name: string | null
    workspace_id: string | null
  }
  /** One row: size and right edge of the tree. */
  audit_head: { id: number; size: number; edge: Uint8Array }
  /** Roots of whole subtrees of 2^height leaves, for proofs; see audit/audit-proofs.ts. */
  audit_subtrees: { height: number; position: number; hash: Uint8Array }
  /** Times of the records from `256 * position`, 256 of them; see audit/audit-search.ts. */
  audit_spans: { position: number; earliest: number; latest: number }
  /** Leaf hashes of the records from `256 * position`, whose contents are gone; see audit/audit-retention.ts. */
  audit_removed: { position: number; hashes: Uint8Array; removed_at: number }
  /** Where the log is sent. `lease_until`: a server is sending; `due_at`: not before, after a failure. */
  audit_destinations: {
    id: string
    target: string
    ca: string | null
    sends_records: number
    position: number
    checkpoint_size: number
    lease_until: number
    due_at: number
    failures: number
    created_at: number
    last_attempt_at: number | null
    last_success_at: number | null
    last_failure: string | null
  }
  /** Signed heads, in order of size. */
  audit_checkpoints: { size: number; note: string; time: number }
}

/** The database outside a transaction. */
export type Database = Kysely<Tables>
/** Functions that take one must run in a transaction. */
export type Transaction = KyselyTransaction<Tables>
/** Either. */
export type Queries = Kysely<Tables>
