import { scopeNames } from '@keyhold/contract/actions'
import { routes } from '@keyhold/contract/api/routes'
import { errors } from '@keyhold/contract/errors'
import type { AnyRoute } from '@keyhold/contract/route'
import { Secret } from '@keyhold/contract/secret'
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { newId } from '../src/base/ids.ts'
import { SshSessions } from '../src/workspaces/ssh-sessions.service.ts'
import { newGpgKey } from './gpg-kit.ts'
import { type Answer, databases, startServer, type TestKey, type TestPerson, type TestServer } from './kit.ts'
import { newSshKey, signedData } from './ssh-kit.ts'

const armoredGpgKey = await newGpgKey()

/** A person with one of everything. */
interface Tenant {
  readonly owner: TestPerson
  readonly member: TestPerson
  readonly project: { readonly id: string; readonly name: string }
  readonly environment: { readonly id: string; readonly name: string }
  readonly secret: { readonly id: string; readonly name: string; readonly value: string }
  readonly overrideValue: string
  readonly key: TestKey
  readonly token: { readonly id: string; readonly value: string }
  readonly apiKey: { readonly id: string; readonly value: string }
  /** Place of an audit record of what they did. */
  readonly recordIndex: number
  readonly invitationId: string
  readonly workloadIdentityId: string
  readonly sessionId: string
  readonly sshSessionId: string
  /** Of a machine that asks to be signed in. */
  readonly userCode: string
  readonly workspace: { readonly id: string; readonly name: string; readonly agent: string }
  readonly workspaceSecret: { readonly id: string; readonly value: string }
  readonly personalSecret: { readonly id: string; readonly value: string }
  readonly gpgKey: { readonly id: string; readonly fingerprint: string }
  readonly passkey: { readonly id: string }
  readonly identityProvider: { readonly id: string }
  readonly sshKey: { readonly fingerprint: string }
  readonly provider: { readonly id: string; readonly host: string }
  readonly connection: { readonly id: string }
  readonly destination: { readonly id: string }
  readonly store: { readonly id: string; readonly name: string }
  readonly template: { readonly id: string }
  readonly storeSource: { readonly id: string }
}

interface Entry {
  /** Body of a request that would succeed for the owner. @param other somebody who has nothing to do with them. */
  readonly body?: (own: Tenant, other: Tenant) => unknown
  readonly query?: (own: Tenant) => string
  /** Not for anybody, ever. */
  readonly never?: keyof typeof errors
  /** What another person gets for existing and missing ids alike; 404 unless it says so. */
  readonly foreignStatus?: number
  /** String fields of the answer that hold something secret, on purpose. */
  readonly delivers?: readonly string[]
}

/** In the form of a browser's answer, and nobody's. */
const GIT_ID = '4b825dc642cb6eb9a060e54bf8d69288fbee4904'
const GIT_PERSON = 'Ann <ann@example.com> 1700000000 +0000'
const COMMIT = Buffer.from(`tree ${GIT_ID}\nauthor ${GIT_PERSON}\ncommitter ${GIT_PERSON}\n\nOne.\n`)

const noCredential = (response: object) => ({
  id: 'AA',
  rawId: 'AA',
  type: 'public-key',
  response: { clientDataJSON: 'AA', ...response },
})

/** A report of use. */
const useOf = (name: string, environment: string) => ({
  run: `run-${Math.random().toString(36).slice(2)}-of-a-test`.replaceAll('.', ''),
  environment,
  uses: [{ name, kind: 'read', program: 'node', file: 'app.js', line: 12 }],
})

/**
 * One entry per route, and no route without one: whoever adds a route says here what a good request is and which
 * secret it may answer.
 */
const entries: Record<string, Entry> = {
  'setup.get': {},
  'setup.create': {
    body: () => ({
      code: 'kh_setup_0',
      email: 'first@example.com',
      name: 'First',
      password: 'password of the first visitor',
      accessTokenName: 'laptop',
    }),
    delivers: ['accessToken'],
  },
  'session.create': { body: ({ owner }) => ({ email: owner.email, password: owner.password }) },
  'session.get': {},
  'session.reauthenticate': { body: ({ owner }) => ({ password: owner.password }) },
  'session.delete': {},
  'account.reset_second_factor': { never: 'second_factor.not_found', foreignStatus: 403 },
  'account.end_sessions': { foreignStatus: 403 },
  'second-factor.get': {},
  'second-factor.begin': {
    body: ({ owner }) => ({ password: owner.password }),
    delivers: ['secret'],
  },
  'second-factor.confirm': {
    body: () => ({ code: '000000' }),
    foreignStatus: 409,
    never: 'second_factor.not_begun',
  },
  'second-factor.codes': {
    body: ({ owner }) => ({ password: owner.password, code: '000000' }),
    never: 'second_factor.not_found',
  },
  'second-factor.delete': {
    body: ({ owner }) => ({ password: owner.password, code: '000000' }),
    never: 'second_factor.not_found',
  },
  'passkey.list': {},
  'passkey.begin': { body: ({ owner }) => ({ password: owner.password }) },
  // What only an authenticator can answer: test/passkeys.test.ts.
  'passkey.create': {
    body: () => ({ name: 'laptop', credential: noCredential({ attestationObject: 'oA' }) }),
    never: 'passkey.refused',
  },
  'passkey.update': { body: () => ({ name: 'renamed' }) },
  'passkey.delete': {
    body: ({ owner }) => ({ password: owner.password }),
  },
  'session.passkey_begin': {},
  'session.passkey': {
    body: () => ({ credential: noCredential({ authenticatorData: 'AA', signature: 'AA' }) }),
    never: 'sign_in.passkey_failed',
  },
  'session.reauthenticate_passkey_begin': {},
  'session.reauthenticate_passkey': {
    body: () => ({ credential: noCredential({ authenticatorData: 'AA', signature: 'AA' }) }),
    never: 'passkey.refused',
  },
  'session.options': {},
  'session.provider_begin': {
    body: () => ({ providerId: 'idp_00000000000000000000' }),
    never: 'identity_provider.not_found',
  },
  'session.reauthenticate_provider_begin': {
    body: () => ({ providerId: 'idp_00000000000000000000' }),
    never: 'identity_provider.not_found',
  },
  'session.second_factor': { body: () => ({ code: '000000' }), never: 'session.complete' },
  'identity-provider.list': {},
  'identity-provider.create': {
    body: () => ({
      issuer: `https://sso-${Math.random()}.example`,
      label: 'SSO',
      clientId: 'id',
      clientSecret: 'client-secret',
    }),
  },
  'identity-provider.update': { body: () => ({ label: 'renamed' }), foreignStatus: 403 },
  'identity-provider.delete': { foreignStatus: 403 },
  'identity-provider.test': { foreignStatus: 403 },
  // Linking takes a browser's session: test/provider-sign-in.test.ts.
  'identity-link.list': {},
  'identity-link.create': {
    body: () => ({ providerId: 'idp_00000000000000000000' }),
    never: 'access.refused',
  },
  'identity-link.delete': { never: 'access.refused', foreignStatus: 403 },
  'sessions.list': {},
  'sessions.end': {},
  'sessions.end_others': {},
  'account.password': {
    body: ({ owner }) => ({ currentPassword: owner.password, newPassword: `${owner.password} anew` }),
  },
  'account.list': {},
  'account.create': {
    body: () => ({ email: `${Math.random()}@example.com`, name: 'Somebody' }),
    delivers: ['temporaryPassword'],
  },
  'account.update': { body: () => ({ name: 'Renamed' }), foreignStatus: 403 },
  'invitation.list': {},
  'invitation.create': { body: () => ({ email: `${Math.random()}@example.com` }) },
  'invitation.renew': { foreignStatus: 403 },
  'invitation.revoke': { foreignStatus: 403 },
  // The way to a right token leads through an administrator: test/invitations.test.ts.
  'invitation.find': { body: () => ({ token: 'kh_inv_0' }), never: 'invitation.link_invalid' },
  'invitation.accept': {
    body: () => ({ token: 'kh_inv_0', name: 'First', password: 'password of who was invited' }),
    never: 'invitation.link_invalid',
    delivers: ['accessToken'],
  },
  'access-token.list': {},
  'access-token.create': { body: () => ({ name: 'ci' }), delivers: ['token'] },
  'access-token.delete': {},
  'device-login.begin': { body: () => ({ name: 'laptop' }), delivers: ['deviceCode', 'userCode'] },
  // The way to a right code leads through a person: test/device-logins.test.ts.
  'device-login.finish': {
    body: () => ({ deviceCode: 'kh_dev_0' }),
    never: 'device_login.expired_token',
  },
  'device-login.get': { body: ({ userCode }) => ({ userCode }) },
  'device-login.approve': { body: ({ userCode }) => ({ userCode }), delivers: ['confirmationCode'] },
  'device-login.deny': { body: ({ userCode }) => ({ userCode }) },
  'project.list': {},
  'project.create': { body: () => ({ name: `New ${Math.random()}` }) },
  'project.get': {},
  'project.update': { body: () => ({ description: 'changed' }) },
  'project.delete': { query: ({ project }) => `confirm=${encodeURIComponent(project.name)}` },
  'workspace.list': {},
  'workspace.create': { body: () => ({ name: `New ${Math.random()}` }) },
  'workspace.get': {},
  'workspace.update': { body: () => ({ description: 'changed' }) },
  'workspace.delete': { query: ({ workspace }) => `confirm=${encodeURIComponent(workspace.name)}` },
  'agent.use': {
    body: () => ({ run: 'run-00000000', uses: [{ name: 'NAME', kind: 'program', program: 'sh' }] }),
  },
  'agent.applied': { body: () => ({ version: null, problems: [] }) },
  'agent.create_enrollment': { delivers: ['token'] },
  'agent.disconnect': {},
  // The way to a right token leads through the owner: test/workspace-agents.test.ts.
  'agent.enroll': {
    body: () => ({ enrollmentToken: 'kh_enr_0', loginName: 'user', release: '0.1.0' }),
    never: 'agent.enrollment_invalid',
    delivers: ['token'],
  },
  'agent.start': {},
  'agent.delivery': { delivers: ['value'] },
  'agent.session': { body: () => ({ pass: 'nobody.gave-it' }), never: 'agent.pass_invalid' },
  'agent.get': {},
  'agent.identity': {},
  // A token takes a provider: test/workspace-identity.test.ts.
  'agent.git_credential': {
    body: ({ provider }) => ({ host: provider.host }),
    never: 'repository_connection.no_token',
    delivers: ['password'],
  },
  'agent.renew': { delivers: ['token'] },
  'agent.sign_gpg': {
    body: ({ gpgKey }) => ({ fingerprint: gpgKey.fingerprint, data: COMMIT.toString('base64') }),
  },
  'agent.sign_ssh': {
    body: () => ({ data: signedData('x').toString('base64') }),
  },
  'workspace.variables': {},
  'workspace-secret.presets': {},
  'workspace-secret.list': {},
  'workspace-secret.create': {
    body: () => ({ name: 'NEW_ONE', type: 'token', value: 'a value that nobody knows' }),
  },
  'workspace-secret.get': {},
  'workspace-secret.update': { body: () => ({ value: 'another value that nobody knows' }) },
  'workspace-secret.delete': {},
  'workspace-secret.reveal': { body: () => ({}), delivers: ['value'] },
  'workspace-secret.versions': {},
  'agent.certify': { body: () => ({ publicKey: newSshKey().line.split(' ').slice(0, 2).join(' ') }) },
  'ssh.get': {},
  'ssh.workspace': {},
  'ssh-session.list': {},
  'ssh-session.end': {},
  'share.list': {},
  'share.create': { body: (_own, other) => ({ email: other.owner.email, level: 'view' }) },
  'share.update': { body: () => ({ level: 'edit' }) },
  'share.delete': {},
  'member.list': {},
  'member.create': { body: (_own, other) => ({ email: other.owner.email, role: 'read_only' }) },
  'member.update': { body: () => ({ role: 'read_only' }) },
  'member.delete': {},
  'environment.list': {},
  'environment.create': { body: () => ({ name: 'preview' }) },
  'environment.update': { body: () => ({ description: 'changed' }) },
  'environment.restore_preview': { query: () => `at=${new Date().toISOString()}` },
  'environment.restore': {
    body: () => ({ at: new Date().toISOString(), expectedState: 'x' }),
    never: 'environment.changed',
  },
  'environment.delete': { query: ({ environment }) => `confirm=${environment.name}` },
  'secret.list': {},
  'secret.create': { body: () => ({ name: 'NEW_TOKEN', type: 'token', value: 'a value that nobody knows' }) },
  'secret.get': {},
  'secret.update': { body: () => ({ value: 'another value that nobody knows' }) },
  'secret.delete': {},
  'secret.reveal': { body: () => ({}), delivers: ['value'] },
  'secret.references': { query: ({ environment }) => `environment=${environment.name}` },
  'secret.versions': {},
  'secret.restore': { body: () => ({ version: 1 }) },
  'secret.import': {
    body: () => ({ secrets: [{ name: 'IMPORTED', value: 'a value that nobody knows' }] }),
  },
  'secret.changes': { query: ({ environment }) => `environment=${environment.name}` },
  'secret-override.set': { body: () => ({ value: 'own value that nobody knows' }) },
  'secret-override.reveal': { body: () => ({}), delivers: ['value'] },
  'secret-override.delete': {},
  'secret.compare': { query: ({ environment }) => `left=All&right=${environment.name}` },
  'secret.use': { body: ({ secret, environment }) => useOf(secret.name, environment.name) },
  'current.get': {},
  'current.environments': {},
  'current.list': { query: ({ environment }) => `environment=${environment.name}` },
  'current.secrets': { query: ({ environment }) => `environment=${environment.name}`, delivers: ['value'] },
  'current.changes': { query: ({ environment }) => `environment=${environment.name}` },
  'current.secret': { query: ({ environment }) => `environment=${environment.name}`, delivers: ['value'] },
  'current.create': {
    body: () => ({ name: 'NEW_TOKEN', type: 'token', value: 'a value that nobody knows' }),
  },
  'current.update': {
    query: ({ environment }) => `environment=${environment.name}`,
    body: () => ({ value: 'another value that nobody knows' }),
  },
  'current.use': { body: ({ secret, environment }) => useOf(secret.name, environment.name) },
  'current.delete': {
    query: ({ environment }) => `environment=${environment.name}`,
    never: 'access.refused',
    foreignStatus: 403,
  },
  'repository-provider.list': {},
  'repository-provider.create': {
    body: () => ({ type: 'gitlab', kind: 'internal', baseUrl: `https://git-${Math.random()}.example` }),
  },
  'repository-provider.update': {
    body: () => ({ clientId: 'id', clientSecret: 'client-secret' }),
    foreignStatus: 403,
  },
  'repository-provider.delete': { query: ({ provider }) => `confirm=${provider.host}`, foreignStatus: 403 },
  'repository.list': {},
  'repository.connect': { body: (_own, other) => ({ providerId: other.provider.id, method: 'ssh' }) },
  // The way to a right code leads through a browser: test/repositories.test.ts.
  'repository.confirm': {
    body: () => ({ code: '0000-0000' }),
    never: 'repository_connection.confirmation',
  },
  'repository.update': { body: () => ({ method: 'ssh' }) },
  'repository.disconnect': {},
  'access-key.list': {},
  'access-key.create': { body: () => ({ permission: 'read' }), delivers: ['secret'] },
  'access-key.update': { body: () => ({ permission: 'read' }) },
  'access-key.deactivate': {},
  'access-key.activate': {},
  'access-key.regenerate': { delivers: ['secret'] },
  'access-key.delete': { query: ({ key }) => `confirm=${key.id}` },
  'workload-identity.list': {},
  'workload-identity.create': {
    body: () => ({
      name: 'deploy',
      preset: 'github',
      claims: { repository: 'ada/shop' },
      permission: 'read',
    }),
  },
  'workload-identity.update': { body: () => ({ permission: 'read' }) },
  'workload-identity.delete': {},
  'workload-identity.test': { body: () => ({ subjectToken: 'x' }) },
  // The way to a right token leads through an issuer: test/workload-identities.test.ts.
  'workload-identity.exchange': {
    body: ({ workloadIdentityId }) => ({ workloadIdentityId, subjectToken: 'x' }),
    never: 'workload_identity.token_refused',
    delivers: ['accessKey'],
  },
  'credential.list': {},
  'reminder-webhook.get': {},
  'reminder-webhook.set': { body: () => ({ url: 'https://example.com/hook' }), delivers: ['secret'] },
  'reminder-webhook.test': {},
  'reminder-webhook.delete': {},
  'instance.get': {},
  'settings.get': {},
  'settings.update': { body: () => ({ reminderDays: 14 }), foreignStatus: 403 },
  'personal-secret.list': {},
  'personal-secret.create': {
    body: () => ({ name: 'new one', type: 'token', value: 'a value that nobody knows', envName: 'NEW_ONE' }),
  },
  'personal-secret.get': {},
  'personal-secret.update': { body: () => ({ value: 'another value that nobody knows' }) },
  'personal-secret.delete': {},
  'personal-secret.reveal': { body: () => ({}), delivers: ['value'] },
  'personal-secret.versions': {},
  'gpg-key.list': {},
  'gpg-key.get': {},
  'gpg-key.create': { body: () => ({ name: 'Ann' }) },
  'gpg-key.import': { body: () => ({ privateKey: armoredGpgKey }) },
  'gpg-key.publish': {},
  'gpg-key.revocation': {},
  'gpg-key.delete': {},
  'ssh-identity.get': {},
  'ssh-identity.create': { body: () => ({ replace: true }) },
  'ssh-identity.delete': {},
  'ssh-identity.destinations': { body: () => ({ destinations: [] }) },
  'ssh-key.list': {},
  'ssh-key.create': { body: () => ({ publicKey: newSshKey().line }) },
  'ssh-key.delete': { body: ({ sshKey }) => ({ publicKeyFingerprint: sshKey.fingerprint }) },
  'api-key.list': {},
  'api-key.presets': {},
  'api-key.create': {
    body: () => ({ name: 'new one', service: 'openai', value: 'a-key-that-nobody-knows' }),
  },
  'api-key.get': {},
  'api-key.update': { body: () => ({ value: 'another-key-that-nobody-knows' }) },
  'api-key.delete': {},
  'template.list': {},
  'template.create': { body: () => ({ name: `template ${Math.random()}`, needs: [{ name: 'TOKEN' }] }) },
  'template.update': { body: () => ({ description: `changed ${Math.random()}` }) },
  'template.delete': {},
  'workspace.needs': {},
  'store.list': {},
  'store.create': {
    body: () => ({
      name: `store ${Math.random()}`,
      kind: 'vault',
      address: `https://vault-${Math.random()}.example`,
      credential: 'token',
      paths: ['*'],
    }),
  },
  'store.update': { body: () => ({ paths: ['a'] }), foreignStatus: 403 },
  'store.delete': { query: ({ store }) => `confirm=${encodeURIComponent(store.name)}`, foreignStatus: 403 },
  'store.check': { body: () => ({}), foreignStatus: 403 },
  'store-source.list': {},
  'store-source.create': { body: ({ store }) => ({ storeId: store.id, path: `path ${Math.random()}` }) },
  'store-source.delete': {},
  'audit-destination.list': {},
  'audit-destination.create': {
    body: () => ({ target: `https://siem-${Math.random()}.example/log` }),
    delivers: ['secret'],
  },
  'audit-destination.delete': { foreignStatus: 403 },
  'audit.list': {},
  'audit.prove': {},
  'audit.growth': { query: () => 'size=0' },
  'audit.checkpoint': {},
  'audit.export': {},
}

const rows = routes.map((row) => [row.id, row] as const)
const entryOf = (row: AnyRoute): Entry => entries[row.id]!

let tenants = 0

async function addTenant(server: TestServer, owner: TestPerson, member: TestPerson): Promise<Tenant> {
  tenants += 1
  const project = await server.addProject(owner)
  const name = `stage-${tenants}`
  const { id } = await server.addEnvironment(owner, project.id, name)
  const secret = { name: `TOKEN_${tenants}`, value: `value-${tenants}-6f1b0f6c5d` }
  const { id: secretId } = await server.addSecret(owner, project.id, { ...secret, environment: name })
  const overrideValue = `override-${tenants}-b41c70d92f`
  await server.ok('PUT', `/api/v1/projects/${project.id}/secrets/${secretId}/override`, {
    token: owner.token,
    body: { value: overrideValue },
  })
  const key = await server.addKey(owner, project.id, { permission: 'read_write' })
  await server.addMember(owner, project.id, member, 'regular')
  const workspace = await server.ok('POST', '/api/v1/workspaces', {
    token: owner.token,
    body: { name: `workspace ${tenants}` },
  })
  await server.ok('POST', `/api/v1/workspaces/${workspace.id}/shares`, {
    token: owner.token,
    body: { email: member.email, level: 'admin' },
  })
  const workspaceValue = `workspace-${tenants}-5e2d7a90c4`
  const workspaceSecret = await server.ok('POST', `/api/v1/workspaces/${workspace.id}/secrets`, {
    token: owner.token,
    body: { name: `WORKSPACE_${tenants}`, type: 'token', value: workspaceValue },
  })
  // An address that is refused before anything is sent.
  const hook = { token: owner.token, body: { url: 'https://127.0.0.1/hook' } }
  await server.ok('PUT', '/api/v1/reminder-webhook', hook)
  const token = await server.ok('POST', '/api/v1/access-tokens', {
    token: owner.token,
    body: { name: `token ${tenants}` },
  })
  const personalValue = `personal-${tenants}-0c9a4e7b1d`
  const personal = await server.ok('POST', '/api/v1/personal-secrets', {
    token: owner.token,
    body: {
      name: `personal ${tenants}`,
      type: 'token',
      value: personalValue,
      envName: `PERSONAL_${tenants}`,
    },
  })
  const { gpgKey } = await server.ok('POST', '/api/v1/gpg-keys', { token: owner.token, body: {} })
  await server.ok('POST', '/api/v1/ssh-identity', { token: owner.token, body: {} })
  const sshKey = newSshKey()
  await server.ok('POST', '/api/ssh/keys', { token: owner.token, body: { publicKey: sshKey.line } })
  const apiKeyValue = `service-${tenants}-77d1c0b2e4`
  const apiKey = await server.ok('POST', '/api/v1/api-keys', {
    token: owner.token,
    body: { name: `service ${tenants}`, service: 'openai', value: apiKeyValue },
  })
  const provider = await addProvider(server, `git-${tenants}.example`)
  const { connection } = await server.ok('POST', '/api/v1/repository-connections', {
    token: owner.token,
    body: { providerId: provider.id, method: 'ssh' },
  })
  const workload = await server.ok('POST', `/api/v1/projects/${project.id}/workload-identities`, {
    token: owner.token,
    body: { name: 'deploy', preset: 'github', claims: { repository: 'ada/shop' }, permission: 'read' },
  })
  const store = await addStore(server, `store ${tenants}`)
  const storeSource = await server.ok('POST', `/api/v1/workspaces/${workspace.id}/store-sources`, {
    token: owner.token,
    body: { storeId: store.id, path: 'a path' },
  })
  const template = await server.ok('POST', '/api/v1/templates', {
    token: owner.token,
    body: { name: `template ${tenants}`, needs: [{ name: 'TOKEN', isRequired: true }] },
  })
  const { userCode } = await server.ok('POST', '/api/v1/device-logins', { body: { name: 'laptop' } })
  return {
    owner,
    member,
    project,
    environment: { id, name },
    secret: { id: secretId, ...secret },
    overrideValue,
    key,
    token: { id: token.accessToken.id, value: token.token },
    invitationId: await addInvitation(server, owner),
    workloadIdentityId: workload.id,
    sessionId: await server.addSession(owner),
    sshSessionId: await addSshSession(server, owner, workspace.id),
    userCode,
    recordIndex: (await server.core.audit.list({ actorId: owner.id }, 1)).records[0]!.index,
    workspace: {
      id: workspace.id,
      name: workspace.name,
      agent: await server.addAgent(owner, workspace.id),
    },
    workspaceSecret: { id: workspaceSecret.id, value: workspaceValue },
    personalSecret: { id: personal.id, value: personalValue },
    gpgKey: { id: gpgKey.id, fingerprint: gpgKey.fingerprint },
    passkey: await addPasskey(server, owner),
    identityProvider: await addIdentityProvider(server, `https://sso-${tenants}.example`),
    sshKey,
    apiKey: { id: apiKey.id, value: apiKeyValue },
    provider,
    connection: { id: connection.id },
    destination: await addDestination(server, `https://siem-${tenants}.example/log`),
    store,
    storeSource,
    template,
  }
}

/** Makes room in what the whole instance has at most 20 of. */
async function keepOnly({ core }: TestServer, tenants: readonly Tenant[]): Promise<void> {
  await core.storage.transaction(async (tx) => {
    const providers = tenants.map(({ identityProvider }) => identityProvider.id)
    await tx.deleteFrom('identity_providers').where('id', 'not in', providers).execute()
    const destinations = tenants.map(({ destination }) => destination.id)
    const stores = tenants.map(({ store }) => store.id)
    await tx.deleteFrom('outside_stores').where('id', 'not in', stores).execute()
    await tx.deleteFrom('audit_destinations').where('id', 'not in', destinations).execute()
  })
}

/** Straight into the table: there are more tenants here than an instance has providers. */
async function addProvider({ core, clock }: TestServer, host: string): Promise<{ id: string; host: string }> {
  const id = newId('rpv')
  const now = clock.now().getTime()
  const row = {
    id,
    type: 'gitlab',
    kind: 'internal',
    base_url: `https://${host}`,
    host,
    client_id: null,
    sealed_client_secret: null,
    secret_version: 0,
    ca: null,
    scopes: '[]',
    created_at: now,
    updated_at: now,
  } as const
  await core.storage.transaction((tx) => tx.insertInto('repository_providers').values(row).execute())
  return { id, host }
}

/** Straight into the table: there are more tenants here than an instance has providers. */
async function addIdentityProvider({ core, clock }: TestServer, issuer: string): Promise<{ id: string }> {
  const id = newId('idp')
  const now = clock.now().getTime()
  const row = { id, issuer, label: 'SSO', client_id: 'id', secret_version: 1, rules: '{}' }
  await core.storage.transaction(async (tx) => {
    const context = ['keyhold/v1/identity-provider-secret', id, issuer, 1]
    const secret = new Secret<Uint8Array>(Buffer.from('client-secret'))
    const sealed_client_secret = await core.vault.seal(tx, 'instance', context, secret)
    const times = { created_at: now, updated_at: now }
    await tx
      .insertInto('identity_providers')
      .values({ ...row, ...times, sealed_client_secret })
      .execute()
  })
  return { id }
}

/** Straight into the table: nobody comes in here. */
async function addSshSession(
  { core, clock }: TestServer,
  { id: accountId }: TestPerson,
  workspaceId: string,
) {
  const sessions = new SshSessions(core.storage, core.access, clock, core.servers.id)
  const about = { level: 'owner', address: '192.0.2.7', fingerprint: 'SHA256:none' } as const
  const id = newId('sse')
  await sessions.begin({ id, workspaceId, accountId, ...about })
  return id
}

/** Straight into the table: registering one would make it a second factor, which the password alone does not pass. */
async function addPasskey({ core, clock }: TestServer, owner: TestPerson): Promise<{ id: string }> {
  const id = newId('psk')
  const row = {
    id,
    account_id: owner.id,
    name: 'laptop',
    credential_id: Buffer.from(id),
    public_key: Buffer.from('a'),
    sign_count: 0,
    transports: '[]',
    aaguid: '00000000-0000-0000-0000-000000000000',
    is_synced: 0,
    created_at: clock.now().getTime(),
    last_used_at: null,
  }
  await core.storage.transaction((tx) => tx.insertInto('passkeys').values(row).execute())
  return { id }
}

/** Straight into the table: not every tenant may invite. */
async function addInvitation({ core, clock }: TestServer, owner: TestPerson): Promise<string> {
  const id = newId('inv')
  const now = clock.now().getTime()
  const row = {
    id,
    email: `${id}@example.com`,
    open_email_key: `${id}@example.com`,
    role: 'member',
    projects: '[]',
    token_hash: Buffer.from(id),
    invited_by: owner.id,
    created_at: now,
    expires_at: now + 7 * 86_400_000,
    mailed_at: null,
    accepted_at: null,
  } as const
  await core.storage.transaction((tx) => tx.insertInto('invitations').values(row).execute())
  return id
}

/** Likewise. Nothing is ever sent there. */
async function addDestination({ core }: TestServer, target: string): Promise<{ id: string }> {
  const id = newId('dst')
  const row = {
    id,
    target,
    ca: null,
    sends_records: 0,
    position: 0,
    checkpoint_size: 0,
    lease_until: 0,
    due_at: Number.MAX_SAFE_INTEGER,
    failures: 0,
    created_at: 0,
    last_attempt_at: null,
    last_success_at: null,
    last_failure: null,
  }
  await core.storage.transaction((tx) => tx.insertInto('audit_destinations').values(row).execute())
  return { id }
}

/** As an operator: owners of tenants are no administrators. */
async function addStore({ core }: TestServer, name: string): Promise<{ id: string; name: string }> {
  // `as`: an operator may do everything.
  const operator = { caller: { kind: 'operator' }, origin: { traceId: 'test' } } as never
  return core.outsideStores.create(operator, {
    name,
    kind: 'vault',
    address: 'https://vault.example',
    credential: new Secret('token'),
    paths: ['*'],
  })
}

const paramNames = (row: AnyRoute): string[] => Object.keys(row.params?.properties ?? {})

function idOf(param: string, own: Tenant, row?: AnyRoute): string {
  const { project, environment, secret, key, member, token, personalSecret, apiKey } = own
  const { provider, connection, gpgKey, workspace, destination } = own
  const ids: Record<string, string> = {
    projectId: project.id,
    environmentId: environment.id,
    secretId: secret.id,
    accessKeyId: key.id,
    accountId: member.id,
    accessTokenId: token.id,
    workspaceId: workspace.id,
    workspaceSecretId: own.workspaceSecret.id,
    gpgKeyId: gpgKey.id,
    passkeyId: own.passkey.id,
    personalSecretId: personalSecret.id,
    apiKeyId: apiKey.id,
    connectionId: connection.id,
    providerId: provider.id,
    destinationId: destination.id,
    storeId: own.store.id,
    templateId: own.template.id,
    sourceId: own.storeSource.id,
    name: secret.name,
    index: String(own.recordIndex),
    sessionId: own.sessionId,
    sshSessionId: own.sshSessionId,
    invitationId: own.invitationId,
    linkId: 'idl_00000000000000000000',
    workloadIdentityId: own.workloadIdentityId,
  }
  const id =
    param === 'providerId' && row?.path.includes('/identity-providers/')
      ? own.identityProvider.id
      : ids[param]
  if (id === undefined) throw new Error(`the parameter ${param} is new: say whose it is`)
  return id
}

/** As an existing id looks, and as long. */
const missingId = (param: string, existing: string): string =>
  param === 'name'
    ? 'NO_SUCH_NAME'
    : param === 'index'
      ? '999999999'
      : param === 'workspaceId'
        ? 'ws-000000000000'
        : `${existing.split('_')[0]}_${'0'.repeat(20)}`

/** @param whose the tenant that each parameter is of, or `none` for an id of nothing. */
function pathOf(row: AnyRoute, own: Tenant, whose: Readonly<Record<string, Tenant | 'none'>> = {}): string {
  const path = row.path.replaceAll(/\{(\w+)\}/g, (_all, param: string) => {
    const of = whose[param] ?? own
    return of === 'none' ? missingId(param, idOf(param, own, row)) : idOf(param, of, row)
  })
  // Conditions that would hold for the victim: only the ids stand in the way. A machine's environments are its own.
  const victim = Object.values(whose).find((one): one is Tenant => one !== 'none' && one !== own)
  const query = entryOf(row).query?.(row.caller === 'machine' ? own : (victim ?? own))
  return query ? `${path}?${query}` : path
}

const withoutTrace = ({ body }: Answer) => ({ ...body, traceId: undefined })

/** Everything but what counts uses, read past HTTP. */
async function state({ core }: TestServer): Promise<string> {
  const { db } = core.storage
  const tables = [
    'accounts',
    'access_tokens',
    'device_logins',
    'invitations',
    'workload_identities',
    'workload_credentials',
    'projects',
    'workspaces',
    'workspace_shares',
    'ssh_sessions',
    'workspace_environments',
    'workspace_enrollments',
    'workspace_agents',
    'workspace_credentials',
    'workspace_secrets',
    'workspace_secret_versions',
    'templates',
    'workspace_needs',
    'outside_stores',
    'store_sources',
    'project_members',
    'environments',
    'secrets',
    'secret_versions',
    'deleted_secrets',
    'secret_overrides',
    'access_keys',
    'personal_secrets',
    'personal_secret_versions',
    'api_keys',
    'repository_providers',
    'repository_connections',
    'repository_authorizations',
    'data_keys',
    'gpg_keys',
    'passkeys',
    'identity_providers',
    'identity_links',
    'gpg_key_deployments',
    'ssh_identities',
    'ssh_keys',
  ] as const
  const content = await Promise.all(tables.map((table) => db.selectFrom(table).selectAll().execute()))
  const sorted = content.map((table) => table.map((row) => JSON.stringify(row)).sort())
  return JSON.stringify(sorted).replaceAll(
    /\\"(?:last_used_at|last_used_address|last_accessed_at)\\":(?:null|\d+|\\".*?\\")/g,
    '',
  )
}

/** The schema with nothing allowed besides what it names. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed)
  if (typeof schema !== 'object' || schema === null) return schema
  const { allOf, ...rest } = schema as Record<string, unknown> & {
    allOf?: readonly { properties: object; required?: string[] }[]
  }
  const merged = allOf
    ? {
        ...rest,
        type: 'object',
        properties: Object.assign({}, ...allOf.map((part) => part.properties)),
        required: allOf.flatMap((part) => part.required ?? []),
      }
    : rest
  const result = Object.fromEntries(
    Object.entries(merged).map(([key, value]) => [
      key,
      key === 'properties'
        ? Object.fromEntries(Object.entries(value as object).map(([name, of]) => [name, closed(of)]))
        : closed(value),
    ]),
  )
  return result.type === 'object' ? { ...result, additionalProperties: false } : result
}

/** Names of all string fields, at any depth. */
function stringFields(value: unknown, name = ''): string[] {
  if (typeof value === 'string') return [name]
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, part]) => stringFields(part, Array.isArray(value) ? name : key))
}

const SOUNDS_SECRET = /value|^token$|accessToken|secret$|password|code$|hash|sealed|wrapped|private/i

describe('the routes', () => {
  test('each one has an entry in this file, and no entry is left over (Z1)', () => {
    expect(Object.keys(entries).sort()).toEqual(routes.map((row) => row.id).sort())
  })
  test('ids and addresses are unique', () => {
    expect(new Set(routes.map((row) => `${row.method} ${row.path}`)).size).toBe(routes.length)
    expect(new Set(routes.map((row) => row.id)).size).toBe(routes.length)
  })
})

describe.each(databases)('every route, attacked, on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  /** The victim: an administrator of the instance, so that all routes are theirs. */
  let a: Tenant
  let b: Tenant
  let cookie: string
  const limitedTokens = new Map<string, string>()

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
    a = await addTenant(server, await server.addPerson('admin'), await server.addPerson())
    b = await addTenant(server, await server.addPerson(), await server.addPerson())
    cookie = await server.signIn(a.owner)
  })
  afterAll(() => stop())
  // Wrong credentials are counted per minute.
  beforeEach(() => server.clock.advance(61_000))

  /** A token of `a` with all scopes but one. */
  async function limitedToken(missing: string): Promise<string> {
    const known = limitedTokens.get(missing)
    if (known) return known
    const { token } = await server.ok('POST', '/api/v1/access-tokens', {
      token: a.owner.token,
      body: { name: 'limited', scopes: scopeNames.filter((scope) => scope !== missing) },
    })
    limitedTokens.set(missing, token)
    return token
  }

  const send = (
    row: AnyRoute,
    path: string,
    as: Parameters<TestServer['request']>[2],
    own: Tenant = a,
    other: Tenant = b,
  ) => {
    const body = entryOf(row).body?.(own, other)
    return server.request(row.method, path, { ...as, ...(body !== undefined && { body }) })
  }
  const credentialOf = (row: AnyRoute, { owner, key, workspace }: Tenant) =>
    row.caller === 'machine'
      ? { key }
      : row.caller === 'person'
        ? { token: owner.token }
        : row.caller === 'workspace'
          ? { token: workspace.agent }
          : {}

  async function recordOf(answer: Answer) {
    return (await server.records(20)).find((record) => record.traceId === answer.body.traceId)
  }

  test('the server registers the routes of the contract, all of them and no others', () => {
    expect(server.server.http.registered.map((row) => row.id).sort()).toEqual(
      routes.map(({ id }) => id).sort(),
    )
  })

  describe.each(rows.filter(([, row]) => row.caller !== 'anyone'))('%s', (_id, row) => {
    test('401 with one body and no effect without a valid credential (TOK-20, KEY-15, Z1)', async () => {
      const before = await state(server)
      const basic = (pair: string) => ({ authorization: `Basic ${Buffer.from(pair).toString('base64')}` })
      const dead = await server.ok('POST', '/api/v1/access-tokens', {
        token: a.owner.token,
        body: { name: 'soon deleted' },
      })
      await server.ok('DELETE', `/api/v1/access-tokens/${dead.accessToken.id}`, { token: a.owner.token })
      const headers: Record<string, string>[] = [
        {},
        { authorization: '' },
        { authorization: 'Bearer' },
        { authorization: 'Bearer ' },
        { authorization: a.owner.token },
        { authorization: `Token ${a.owner.token}` },
        { authorization: `Bearer ${a.owner.token}x` },
        { authorization: `Bearer ${a.owner.token}, Bearer ${a.owner.token}` },
        { authorization: `Bearer ${a.owner.token.toUpperCase()}` },
        { authorization: `Bearer kh_pat_${'0'.repeat(49)}` },
        { authorization: `Bearer ${dead.token}` },
        { authorization: `Bearer ${a.token.id}` },
        { authorization: `Bearer ${a.key.secret}` },
        { authorization: 'Basic' },
        { authorization: 'Basic !!!' },
        basic(a.key.id),
        basic(`${a.key.id}:`),
        basic(`:${a.key.secret}`),
        basic(`${a.key.id}:${b.key.secret}`),
        basic(`${a.key.id}\0:${a.key.secret}`),
        basic(`${a.key.id} :${a.key.secret}`),
        basic(`${a.owner.email}:${a.owner.password}`),
        { cookie: 'keyhold_session=' },
        { cookie: `keyhold_session=kh_ses_${'0'.repeat(49)}` },
        { cookie: `__Host-keyhold=${cookie.split('=')[1]}` },
        { cookie: `keyhold_session=${a.owner.token}` },
        // A credential that is wrong is not made good by another one beside it.
        { authorization: 'Bearer nonsense', cookie },
      ]
      const path = pathOf(row, a)
      for (const one of headers) {
        const answer = await send(row, path, { headers: one })
        expect([one, answer.status, withoutTrace(answer)]).toEqual([
          one,
          401,
          {
            type: 'http://localhost:8080/errors/auth.required',
            title: errors['auth.required'].title,
            status: 401,
            code: 'auth.required',
          },
        ])
      }
      // The decision is made on the path alone.
      for (const query of ['x=/api/v1/setup', '/api/v1/session', 'path=%2Fapi%2Fv1%2Fsetup']) {
        const tricked = await send(row, `${path}${path.includes('?') ? '&' : '?'}${query}`, {})
        expect([query, tricked.status]).toEqual([query, 401])
      }
      expect((await state(server)).replaceAll(dead.accessToken.id, '')).toBe(before)
    })

    test('refused and recorded for the wrong kind of caller (Z1, SEC-26)', async () => {
      const before = await state(server)
      const wrong = row.caller === 'person' ? { key: a.key } : { token: a.owner.token }
      const answer = await send(row, pathOf(row, a), wrong)
      expect([403, 404]).toContain(answer.status)
      expect(await state(server)).toBe(before)
      expect(await recordOf(answer)).toMatchObject({
        ...(row.action && { action: row.action }),
        outcome: 'refused',
        reason: answer.body.code,
        actor: row.caller === 'person' ? { kind: 'access-key', id: a.key.id } : { id: a.owner.id },
      })
    })

    const testPerson = row.caller === 'person' ? test : () => {}
    testPerson('403 and recorded for a token without the scope (TOK-11)', async () => {
      const token = await limitedToken(row.scope ?? 'audit:read')
      const before = await state(server)
      const answer = await send(row, pathOf(row, a), { token })
      if (row.id === 'session.get') return expect(answer.status).toBe(200)
      expect(answer.body).toMatchObject({ status: 403, code: 'access.scope_missing' })
      expect(await state(server)).toBe(before)
      expect(await recordOf(answer)).toMatchObject({
        action: row.action,
        outcome: 'refused',
        reason: 'access.scope_missing',
        actor: { id: a.owner.id },
      })
    })

    const testParams = row.params ? test : () => {}
    testParams("another tenant's ids are answered as ids of nothing (Z1)", async () => {
      const status = entryOf(row).foreignStatus ?? 404
      const before = await state(server)
      const params = paramNames(row)
      // Every mix of own and foreign ids in which one at least is foreign.
      const mixes = Array.from({ length: 2 ** params.length - 1 }, (_, i) =>
        params.map((param, bit) => [param, ((i + 1) >> bit) & 1] as const),
      )
      for (const mix of mixes) {
        const whose = (foreign: Tenant | 'none') =>
          Object.fromEntries(mix.map(([param, isForeign]) => [param, isForeign ? foreign : b]))
        const credential = credentialOf(row, b)
        const stolen = await send(row, pathOf(row, b, whose(a)), credential, a, b)
        const missing = await send(row, pathOf(row, b, whose('none')), credential, a, b)
        expect([mix, stolen.status]).toEqual([mix, status])
        const text = (answer: Answer) =>
          JSON.stringify(withoutTrace(answer)).replaceAll(/TOKEN_\d+|NO_SUCH_NAME/g, 'NAME')
        const shown = (answer: Answer) => text(answer).replace(/,"nearMatches":\[.*?\]/, '')
        expect(shown(stolen)).toBe(shown(missing))
        expect([...stolen.headers.keys()]).toEqual([...missing.headers.keys()])
        const record = await recordOf(stolen)
        if (mix.some(([param, isForeign]) => param === 'projectId' && isForeign)) {
          expect(record).toMatchObject({
            action: row.action,
            outcome: 'refused',
            reason: 'project.not_found',
          })
        } else if (row.method !== 'GET' && !row.id.endsWith('secret.reveal')) {
          expect(record).toMatchObject({ action: row.action, reason: stolen.body.code })
          expect(record!.outcome).not.toBe('success')
        }
      }
      expect(await state(server)).toBe(before)
    })
  })

  describe.each(rows.filter(([, row]) => row.method !== 'GET'))('%s from a browser', (_id, row) => {
    test('403 when another site sent it, cookie or not; not when it came from here or from no browser (CSRF)', async () => {
      const before = await state(server)
      const path = pathOf(row, a)
      const foreign: Record<string, string>[] = [
        { 'sec-fetch-site': 'cross-site' },
        { 'sec-fetch-site': 'same-site' },
        { 'sec-fetch-site': 'anything' },
        { origin: 'https://evil.example' },
        { origin: 'null' },
        { origin: 'http://localhost:8080.evil.example' },
        { origin: 'https://localhost:8080' },
        { origin: 'http://localhost' },
        { origin: 'not an origin' },
      ]
      for (const headers of foreign) {
        const answer = await send(row, path, { headers: { cookie, ...headers } })
        expect([headers, answer.body.code]).toEqual([headers, 'request.cross_site'])
      }
      expect(await state(server)).toBe(before)
      const near: Record<string, string>[] = [
        {},
        { 'sec-fetch-site': 'same-origin' },
        { 'sec-fetch-site': 'none' },
        { origin: 'http://localhost:8080' },
        { origin: server.url },
      ]
      for (const headers of near) {
        // Without a credential, so that nothing happens; what matters is which check refuses it.
        const answer = await server.request(row.method, path, { headers, body: {} })
        expect(answer.body?.code).not.toBe('request.cross_site')
      }
    })
  })

  // After the others: they compare everything that is stored, which is little as long as there are two tenants.
  describe.each(rows.filter(([, row]) => row.caller !== 'anyone'))('%s', (_id, row) => {
    test('succeeds for its owner, and answers what is declared and nothing else (response scan)', async () => {
      const { never, delivers = [] } = entryOf(row)
      // A person of their own: the other tests need the owner's password as it is, and people have limits.
      const own = await addTenant(server, await server.addPerson('admin'), a.member)
      await keepOnly(server, [a, b, own])
      const answer = await send(row, pathOf(row, own), credentialOf(row, own), own, b)
      if (never) return expect(answer.body.code).toBe(never)
      expect([answer.status, answer.text]).toEqual([row.status, expect.anything()])
      assertAnswer(row, answer)
      if (!delivers.includes('value'))
        for (const value of [
          own.secret.value,
          own.personalSecret.value,
          own.workspaceSecret.value,
          own.overrideValue,
        ])
          expect(answer.text).not.toContain(value)
      for (const credential of [own.key.secret, own.token.value, own.owner.password, own.apiKey.value])
        expect(answer.text).not.toContain(credential)
    })
  })

  test("filters by another tenant's ids find nothing of theirs in the audit log (Z1, Z2)", async () => {
    await server.ok('POST', `/api/v1/projects/${a.project.id}/secrets/${a.secret.id}/reveal`, {
      token: a.owner.token,
      body: {},
    })
    const filters = [
      `project=${a.project.id}`,
      `secret=${a.secret.name}`,
      `person=${a.owner.id}`,
      `person=${encodeURIComponent(a.owner.email)}`,
      `accessKey=${a.key.id}`,
      `workspace=${a.workspace.id}`,
      'limit=500',
    ]
    for (const filter of filters) {
      const { records } = await server.ok('GET', `/api/v1/audit?${filter}`, { token: b.owner.token })
      for (const record of records) {
        const isOwn =
          record.actor.id === b.owner.id ||
          record.project?.id === b.project.id ||
          record.workspace === b.workspace.id
        expect([filter, isOwn]).toEqual([filter, true])
      }
      const theirs = await server.ok('GET', `/api/v1/audit?${filter}`, { token: a.owner.token })
      expect([filter, theirs.records.length > 0]).toEqual([filter, true])
    }
  })

  test("another tenant's environment is no environment, by name (Z1)", async () => {
    const answers = [
      await server.request('POST', `/api/v1/projects/${b.project.id}/secrets`, {
        token: b.owner.token,
        body: { name: 'X_TOKEN', type: 'token', value: 'some long value', environment: a.environment.name },
      }),
      await server.request(
        'GET',
        `/api/v1/projects/${b.project.id}/secrets?environment=${a.environment.name}`,
        {
          token: b.owner.token,
        },
      ),
      await server.request('GET', `/api/v1/projects/current/secrets?environment=${a.environment.name}`, {
        key: b.key,
      }),
      await server.request(
        'GET',
        `/api/v1/projects/current/secrets/${a.secret.name}?environment=${a.environment.name}`,
        { key: b.key },
      ),
    ]
    expect(answers.map(({ body }) => body.code)).toEqual(Array(4).fill('environment.not_found'))
  })

  test('the routes for anyone answer what is declared', async () => {
    for (const row of routes.filter(({ caller, id }) => caller === 'anyone' && id !== 'setup.create')) {
      const answer = await send(row, pathOf(row, a), {})
      const { never } = entryOf(row)
      if (never) {
        expect(answer.body.code).toBe(never)
        continue
      }
      expect(answer.status).toBe(row.status)
      assertAnswer(row, answer)
    }
  })
})

describe.each(databases)('set-up on %s', (database) => {
  test('the first visitor without the code does not become administrator; with it, once (P2)', async () => {
    const { server, stop } = await startServer(database)
    try {
      const row = routes.find(({ id }) => id === 'setup.create')!
      const body = entryOf(row).body!(undefined as never, undefined as never) as Record<string, string> // `as`: it looks at neither.
      const code = (await server.core.accounts.newSetupCode())!.reveal()
      const newer = (await server.core.accounts.newSetupCode())!.reveal()
      // The code printed by the start before is as wrong as none.
      const wrong = [
        'x',
        code,
        newer.toLowerCase(),
        newer.slice(0, -1),
        `${newer}0`,
        'undefined',
        'null',
        '%',
      ]
      for (const one of wrong) {
        const answer = await server.request('POST', row.path, { body: { ...body, code: one } })
        expect([one, answer.body.code]).toEqual([one, 'setup.code_wrong'])
      }
      const { code: _none, ...without } = body
      for (const nothing of [
        without,
        { ...body, code: '' },
        { ...body, code: null },
        { ...body, code: [newer] },
      ])
        expect((await server.request('POST', row.path, { body: nothing })).status).toBe(400)
      expect(await server.ok('GET', '/api/v1/setup')).toEqual({ isDone: false })
      expect(await server.core.accounts.findByEmail(body.email!)).toBeUndefined()

      server.clock.advance(5 * 60_000)
      const racers = await Promise.all(
        Array.from({ length: 6 }, (_, i) =>
          server.request('POST', row.path, {
            body: { ...body, email: `first${i}@example.com`, code: newer },
          }),
        ),
      )
      const won = racers.filter(({ status }) => status === 201)
      expect(racers.map(({ body: { code } }) => code).filter(Boolean)).toEqual(Array(5).fill('setup.done'))
      expect(won).toHaveLength(1)
      assertAnswer(row, won[0]!)
      expect(await server.core.accounts.newSetupCode()).toBeUndefined()
      const again = await server.request('POST', row.path, { body: { ...body, code: newer } })
      expect(again.body.code).toBe('setup.done')
      const accounts = await server.ok('GET', '/api/v1/accounts', { token: won[0]!.body.accessToken })
      expect(accounts.accounts).toHaveLength(1)
    } finally {
      await stop()
    }
  })
})

function assertAnswer(row: AnyRoute, answer: Answer): void {
  if (row.isEventStream) {
    expect(answer.headers.get('content-type')).toMatch(/^text\/event-stream/)
    expect(answer.text).toMatch(/^retry: 3000\nid: ([\w-]{22})\nevent: version\ndata: \1\n\n$/)
    return
  }
  expect(answer.headers.get('content-type') ?? '').toMatch(
    row.answer ? (row.answer.type === 'string' ? /^text\/plain/ : /^application\/json/) : /^$/,
  )
  if (!row.answer || row.answer.type === 'string') return
  const ajv = addFormats.default(new Ajv({ strict: false }), ['date-time'])
  const isValid = ajv.compile(closed(row.answer) as object)
  expect([isValid(answer.body), isValid.errors]).toEqual([true, null])
  const suspicious = stringFields(answer.body).filter((name) => SOUNDS_SECRET.test(name))
  expect([...new Set(suspicious)].sort()).toEqual([...(entryOf(row).delivers ?? [])].sort())
}
