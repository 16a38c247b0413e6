import { createSecretKey, hash, randomBytes } from 'node:crypto'
import type { Kysely } from 'kysely'
import { readHead } from '../src/audit/audit.store.ts'
import { appendLeaf } from '../src/audit/leaf.ts'
import { hashToken, newToken } from '../src/base/ids.ts'
import type { Transaction } from '../src/storage/tables.ts'
import { type Context, encrypt } from '../src/vault/envelope.ts'
import { keyringId, newKeyringRow, unwrapKeyring } from '../src/vault/keyring.ts'
import { deriveRootKey } from '../src/vault/root-key.ts'

/*
 * What an instance holds that was last started with a migration: rows as SQL of that schema. Every migration has an entry;
 * one that made a table puts rows into it, one that changed a table changes rows in a way that only the new form has.
 */

/** Puts rows into a schema. Columns that are left out and must not be empty are filled with anything of their type. */
export class Seeding {
  readonly #db: Kysely<Record<string, Record<string, unknown>>>
  /** What was put in: table, and the columns that were named. */
  readonly rows: { table: string; row: Record<string, unknown> }[] = []

  constructor(db: Kysely<Record<string, Record<string, unknown>>>) {
    this.#db = db
  }

  async insert(table: string, row: Record<string, unknown>): Promise<void> {
    const found = (await this.#db.introspection.getTables()).find(({ name }) => name === table)
    if (!found) throw new Error(`there is no table ${table} yet`)
    const whole: Record<string, unknown> = {}
    for (const { name, dataType, isNullable, hasDefaultValue } of found.columns) {
      if (name in row) whole[name] = row[name]
      else if (!isNullable && !hasDefaultValue) whole[name] = anything(dataType)
    }
    await this.#db.insertInto(table).values(whole).execute()
    this.rows.push({ table, row })
  }

  /** Fills columns that came with this schema. */
  async update(table: string, change: Record<string, unknown>): Promise<void> {
    await this.#db.updateTable(table).set(change).execute()
    for (const one of this.rows) if (one.table === table) Object.assign(one.row, change)
  }

  async append(action: string, workspace?: string): Promise<void> {
    const json = JSON.stringify({
      time: new Date(NOW).toISOString(),
      action,
      outcome: 'success',
      actor: { kind: 'operator' },
      workspace,
      traceId: 'seed',
    })
    const copies = { actorId: null, projectId: null, secretName: null, workspaceId: null }
    const record = { json, time: NOW, action, outcome: 'success', ...copies }
    await this.#db.transaction().execute(async (tx) => {
      // `as`: these columns are as they were in the first schema.
      const tree = await readHead(tx as unknown as Transaction)
      // It came with 0035.
      const { workspace_id: _, ...row } = appendLeaf(tree, record)
      await tx.insertInto('audit_records').values(row).execute()
      await tx.updateTable('audit_head').set({ size: tree.size, edge: tree.edge }).execute()
    })
  }
}

function anything(type: string): unknown {
  if (/blob|bytea/i.test(type)) return randomBytes(32)
  return /int/i.test(type) ? 1 : '[]'
}

const NOW = Date.parse('2026-06-01T12:00:00Z')
const id = (kind: string) => `${kind}_${'0'.repeat(20)}`
export const rootKey = Buffer.alloc(32, 77)
const account = id('usr')
const project = id('prj')
const dataKeys: Record<string, { id: Buffer; key: Buffer }> = {
  [`project:${project}`]: { id: Buffer.alloc(16, 1), key: Buffer.alloc(32, 2) },
  [`person:${account}`]: { id: Buffer.alloc(16, 3), key: Buffer.alloc(32, 4) },
}

/** Seals as every release since the first one did. */
function seal(owner: string, context: Context, value: string): Buffer {
  const { id: keyId, key } = dataKeys[owner]! // `!`: one of the two.
  return encrypt(createSecretKey(key), keyId, [owner, ...context], Buffer.from(value))
}

/** What is asked for after the upgrade. */
export const known = {
  token: newToken('kh_pat_'),
  project,
  secret: id('sec'),
  secretValue: 'value of the first release',
  personalSecret: id('psc'),
  overrideValue: 'own value of its release',
  personalValue: 'personal value of its release',
} as const

/** By migration. */
export const seeds: Readonly<Record<string, (seed: Seeding) => Promise<void>>> = {
  '0001-foundation': async (seed) => {
    await seed.insert('instance', { name: 'id', value: 'seeded0000000000' })
    const keyring = newKeyringRow(1, deriveRootKey(rootKey), NOW)
    await seed.insert('keyring', { ...keyring, uses: 2 })
    const keyringKey = unwrapKeyring([keyring], deriveRootKey(rootKey)).get(1)! // `!`: wrapped right above.
    for (const [owner, { id: keyId, key }] of Object.entries(dataKeys)) {
      const hex = keyId.toString('hex')
      const wrapped = encrypt(keyringKey, keyringId(1), ['keyhold/v1/data-key', hex, owner], key)
      await seed.insert('data_keys', {
        id: hex,
        owner,
        keyring_version: 1,
        wrapped,
        uses: 1,
        created_at: NOW,
        retired_at: null,
      })
    }
    await seed.insert('accounts', {
      id: account,
      email: 'Ada@example.com',
      email_key: 'ada@example.com',
      name: 'Ada',
      role: 'admin',
      must_change_password: 0,
      created_at: NOW,
    })
    await seed.insert('sessions', { id: id('ses'), account_id: account, expires_at: NOW })
    await seed.insert('access_tokens', {
      id: id('tok'),
      account_id: account,
      name: 'laptop',
      token_hash: hashToken(known.token),
      scopes: null,
      created_at: NOW,
      expires_at: null,
    })
    await seed.insert('projects', {
      id: project,
      name: 'Seeded',
      name_key: 'seeded',
      description: 'ä',
      created_at: NOW,
    })
    await seed.insert('project_members', {
      project_id: project,
      account_id: account,
      role: 'admin',
      created_at: NOW,
    })
    await seed.insert('environments', {
      id: id('env'),
      project_id: project,
      name: 'All',
      name_key: 'all',
      is_default: 1,
      created_at: NOW,
    })
    await seed.insert('secrets', {
      id: known.secret,
      project_id: project,
      environment_id: id('env'),
      name: 'TOKEN',
      type: 'token',
      description: '',
      current_version: 1,
      is_masked: 1,
      created_at: NOW,
      updated_at: NOW,
    })
    const sealed = seal(
      `project:${project}`,
      ['keyhold/v1/secret-value', known.secret, 'TOKEN', 1],
      known.secretValue,
    )
    await seed.insert('secret_versions', {
      secret_id: known.secret,
      version: 1,
      sealed,
      encoding: 'utf8',
      created_at: NOW,
    })
    await seed.insert('access_keys', {
      id: id('pak'),
      project_id: project,
      permission: 'read',
      ip_restriction: '[]',
      slot: 1,
      created_at: NOW,
    })
    for (let i = 0; i < 5; i++) await seed.append('secret.create')
  },
  '0002-personal-secrets': async (seed) => {
    await seed.insert('personal_secrets', {
      id: known.personalSecret,
      account_id: account,
      name: 'Mine',
      name_key: 'mine',
      type: 'token',
      description: '',
      env_name: 'MINE',
      is_enabled: 1,
      workspaces: null,
      current_version: 1,
      value_bytes: 29,
      is_masked: 1,
      created_at: NOW,
      updated_at: NOW,
      rotated_at: NOW,
    })
    const sealed = seal(
      `person:${account}`,
      ['keyhold/v1/personal-secret-value', known.personalSecret, 'Mine', 1],
      known.personalValue,
    )
    await seed.insert('personal_secret_versions', {
      personal_secret_id: known.personalSecret,
      version: 1,
      sealed,
      encoding: 'utf8',
      created_at: NOW,
    })
    await seed.append('personal-secret.create')
  },
  '0003-api-keys': (seed) =>
    seed.insert('api_keys', {
      id: id('apk'),
      account_id: account,
      name: 'Outside',
      name_key: 'outside',
      service: 'custom',
      base_url: 'https://api.example.com',
      allowed_hosts: '["api.example.com"]',
      placement: '{"kind":"bearer"}',
      created_at: NOW,
    }),
  '0004-ssh-keys': (seed) =>
    seed.insert('ssh_keys', {
      id: id('ssh'),
      account_id: account,
      fingerprint: 'SHA256:seed',
      type: 'ssh-ed25519',
      bits: 256,
      comment: 'laptop',
    }),
  '0005-ssh-identities': (seed) =>
    seed.insert('ssh_identities', {
      id: id('shi'),
      account_id: account,
      type: 'ssh-ed25519',
      comment: 'ada',
    }),
  '0006-gpg-keys': async (seed) => {
    await seed.insert('gpg_keys', {
      id: id('gpg'),
      account_id: account,
      fingerprint: 'AB'.repeat(20),
      key_id: 'AB'.repeat(8),
      user_ids: '["Ada"]',
      email: 'ada@example.com',
      algorithm: 'ed25519',
    })
    await seed.insert('gpg_key_deployments', {
      gpg_key_id: id('gpg'),
      connection_id: id('con'),
      provider: 'github.com',
      status: 'published',
    })
  },
  '0007-repositories': async (seed) => {
    await seed.insert('repository_providers', {
      id: id('rpv'),
      type: 'github',
      kind: 'default',
      base_url: 'https://github.com',
      host: 'github.com',
      secret_version: 1,
      scopes: '[]',
    })
    await seed.insert('repository_connections', {
      id: id('con'),
      account_id: account,
      provider_id: id('rpv'),
      method: 'ssh',
      token_version: 1,
      scopes: '[]',
      broken_reason: null,
    })
  },
  '0008-reminders': async (seed) => {
    await seed.insert('reminders', {
      account_id: account,
      credential_kind: 'access-token',
      credential_id: id('tok'),
      reason: 'expires',
      due_at: NOW,
    })
    await seed.insert('reminder_webhooks', {
      id: id('rwh'),
      account_id: account,
      url: 'https://hooks.example.com',
    })
    await seed.insert('jobs', { name: 'reminders', lease_until: 1, started_at: 1 })
  },
  // Roots of whole subtrees, which the log makes anew where they are missing; it looks at none that does not fit.
  '0009-audit-subtrees': (seed) => seed.append('settings.update'),
  '0010-sessions': (seed) => seed.update('sessions', { address: '192.0.2.1', client: 'a browser' }),
  '0011-second-factor': async (seed) => {
    const factor = id('tfa')
    const sealed = seal(`person:${account}`, ['keyhold/v1/totp', factor], 'seed of an authenticator')
    await seed.insert('totp_factors', {
      account_id: account,
      id: factor,
      sealed,
      created_at: NOW,
      last_step: 1,
    })
    await seed.insert('recovery_codes', { account_id: account, code_hash: hash('sha256', 'code', 'buffer') })
    await seed.update('accounts', { second_factor_at: NOW })
  },
  '0012-device-logins': (seed) =>
    seed.insert('device_logins', { id: id('dlg'), name: 'server', is_denied: 0, wrong_codes: 0 }),
  // Made by the log for its own records.
  '0013-audit-spans': (seed) => seed.append('settings.update'),
  '0014-root-keys': async (seed) => {
    const { fingerprint } = deriveRootKey(rootKey)
    await seed.update('root_keys', { kit_made_at: NOW })
    await seed.insert('root_keys', { fingerprint: '0000-0000-0000-0000', state: 'retired', created_at: 1 })
    seed.rows.push({ table: 'root_keys', row: { fingerprint, state: 'current' } })
  },
  '0015-references': (seed) =>
    seed.insert('secret_references', { secret_id: known.secret, version: 1, environment: '', name: 'OTHER' }),
  '0016-passkeys': async (seed) => {
    await seed.insert('passkeys', { id: id('psk'), account_id: account, name: 'phone', sign_count: 0 })
    await seed.insert('sign_in_attempts', { purpose: 'sign-in', challenge: 'c', expires_at: NOW })
    await seed.update('totp_factors', { confirmed_at: NOW })
  },
  '0017-invitations': (seed) =>
    seed.insert('invitations', {
      id: id('inv'),
      email: 'eve@example.com',
      role: 'member',
      projects: '[]',
      invited_by: account,
    }),
  '0018-workspaces': async (seed) => {
    await seed.insert('workspaces', {
      id: 'ws-seeded00',
      owner_id: account,
      name: 'W',
      name_key: 'w',
      description: '',
    })
    await seed.insert('workspace_shares', { workspace_id: 'ws-seeded00', account_id: account, level: 'view' })
    await seed.insert('workspace_environments', {
      workspace_id: 'ws-seeded00',
      environment_id: id('env'),
      position: 1,
    })
  },
  '0019-deleted-secrets': async (seed) => {
    const row = {
      id: id('del'),
      project_id: project,
      environment_id: id('env'),
      name: 'GONE',
      type: 'token',
      description: '',
      current_version: 1,
      deleted_at: NOW,
    }
    await seed.insert('deleted_secrets', row)
    await seed.insert('deleted_secret_versions', {
      secret_id: id('del'),
      version: 1,
      encoding: 'utf8',
      has_references: 0,
    })
    await seed.insert('deleted_secret_references', {
      secret_id: id('del'),
      version: 1,
      environment: '',
      name: 'X',
    })
  },
  '0020-identity-providers': async (seed) => {
    await seed.insert('identity_providers', {
      id: id('idp'),
      issuer: 'https://id.example.com',
      label: 'Company',
      client_id: 'keyhold',
      sealed_client_secret: null,
      rules: '{}',
    })
    await seed.insert('identity_links', {
      id: id('idl'),
      account_id: account,
      provider_id: id('idp'),
      subject: 'ada',
    })
    await seed.update('sessions', { second_factor: 'totp' })
  },
  '0021-audit-destinations': (seed) =>
    seed.insert('audit_destinations', {
      id: id('dst'),
      target: 'file:/nowhere',
      ca: null,
      sends_records: 0,
      failures: 0,
      due_at: NOW * 2,
      lease_until: 0,
    }),
  '0022-workload-identities': async (seed) => {
    await seed.insert('workload_identities', {
      id: id('wid'),
      project_id: project,
      name: 'deploy',
      preset: 'github',
      issuer: 'https://token.actions.githubusercontent.com',
      audience: 'https://keyhold.example.com',
      claims: '{"repository":"ada/shop"}',
      permission: 'read',
      is_single_use: 1,
      is_active: 1,
    })
    await seed.insert('workload_credentials', {
      id: id('wic'),
      identity_id: id('wid'),
      subject: 'repo:ada/shop',
    })
    await seed.insert('workload_token_uses', { identity_id: id('wid'), expires_at: NOW * 2 })
  },
  '0023-short-passwords': (seed) => seed.update('accounts', { has_short_password: 1 }),
  '0024-secret-rotation': (seed) => seed.update('secrets', { note: 'renewed by Ada', rotation_days: 30 }),
  '0025-workspace-agents': async (seed) => {
    const workspace_id = 'ws-seeded00'
    await seed.insert('workspace_enrollments', { workspace_id, expires_at: NOW, used_at: null })
    await seed.insert('workspace_agents', { workspace_id, epoch: 1, login_name: 'user', release: '0.1.0' })
    await seed.insert('workspace_credentials', { id: id('agt'), workspace_id, epoch: 1, used_at: NOW })
  },
  '0026-reported-uses': (seed) => seed.insert('reported_uses', { run_key: 'r', place_key: 'p' }),
  '0027-workspace-secrets': async (seed) => {
    const secret = id('wsc')
    await seed.insert('workspace_secrets', {
      id: secret,
      workspace_id: 'ws-seeded00',
      name: 'BOX_TOKEN',
      name_key: 'BOX_TOKEN',
      type: 'token',
      env_name: 'BOX_TOKEN',
      note: 'renewed by Ada',
      rotation_days: 30,
    })
    await seed.insert('workspace_secret_versions', {
      workspace_secret_id: secret,
      version: 1,
      encoding: 'utf8',
    })
    await seed.append('workspace-secret.create', 'ws-seeded00')
  },
  '0028-secret-overrides': (seed) =>
    seed.insert('secret_overrides', {
      id: id('ovr'),
      project_id: project,
      account_id: account,
      environment_id: id('env'),
      name: 'TOKEN',
      version: 1,
      sealed: seal(
        `person:${account}`,
        ['keyhold/v1/secret-override', project, id('env'), 'TOKEN', id('ovr'), 1],
        known.overrideValue,
      ),
      encoding: 'utf8',
      is_masked: 1,
    }),
  // Filled by the log, from its own records.
  '0029-audit-removed': (seed) => seed.append('settings.update'),
  '0030-ssh-host-keys': (seed) => seed.update('workspace_agents', { host_key: 'ssh-ed25519 AAAA' }),
  // Forgotten by the first start.
  '0031-server-addresses': (seed) => seed.update('servers', { internal_url: 'http://127.0.0.1:8080' }),
  '0032-outside-stores': async (seed) => {
    const store_id = id('ost')
    await seed.insert('outside_stores', {
      id: store_id,
      name: 'corp',
      name_key: 'corp',
      kind: 'vault',
      address: 'https://vault.corp.example',
      settings: '{"auth":"token","mount":"secret","kvVersion":2}',
      paths: '["teams/*"]',
      credential_version: 1,
    })
    await seed.insert('store_sources', {
      id: id('oss'),
      workspace_id: 'ws-seeded00',
      store_id,
      path: 'teams/shop',
      on_failure: 'stop',
    })
    await seed.append('store.create')
  },
  '0033-applied-deliveries': (seed) =>
    seed.insert('workspace_applied', {
      workspace_id: 'ws-seeded00',
      epoch: 1,
      version: 'v',
      items: '{}',
      applied_at: NOW,
    }),
  '0034-templates': async (seed) => {
    const needs = '[{"name":"TOKEN","description":"","documentationUrl":null,"isRequired":true}]'
    await seed.insert('templates', {
      id: id('tpl'),
      owner_id: account,
      name: 'node',
      name_key: 'node',
      description: '',
      needs,
    })
    await seed.insert('workspace_needs', { workspace_id: 'ws-seeded00', template: 'node', needs })
    await seed.append('template.create')
  },
  '0035-audit-workspaces': (seed) => seed.append('template.update'),
  '0036-ssh-sessions': (seed) =>
    seed.insert('ssh_sessions', {
      id: id('sse'),
      workspace_id: 'ws-seeded00',
      account_id: account,
      server_id: id('srv'),
      level: 'owner',
      address: '192.0.2.7',
      fingerprint: 'SHA256:seeded',
      began_at: NOW,
    }),
  '0037-ssh-destinations': (seed) => seed.append('ssh-identity.restrict'),
}
