import { strict as assert } from 'node:assert'
import { execFile, execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Credential } from '@keyhold/contract/api/credentials'
import { Secret } from '@keyhold/contract/secret'
import { pino } from 'pino'
import type { Asker, Person } from '../../packages/server/src/access/caller.ts'
import { sshStrings } from '../../packages/server/src/base/ssh-wire.ts'
import { composeCore } from '../../packages/server/src/compose/core.ts'
import { composeServer } from '../../packages/server/src/compose/server.ts'
import { readConfig } from '../../packages/server/src/config/config.ts'
import { FakeProviders } from '../../packages/server/test/fake-providers.ts'

const execFileAsync = promisify(execFile)

const WORKSPACE = 'ws-demo1234'
const DAY_MS = 86_400_000

/**
 * Lives the whole life of each kind of credential: made over the API, used as a workspace uses it, with the real
 * ssh-keygen, gpg and git and an OAuth server, changed, listed, removed.
 *
 * @param say gets a line for each step. @param databaseUrl PostgreSQL; default: SQLite in a directory of its own.
 * @returns the inventory when everything was there. @throws AssertionError when anything is not as it should be.
 */
export async function liveCredentials(
  say: (line: string) => void,
  databaseUrl?: string,
): Promise<Credential[]> {
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-credentials-'))
  const providers = await FakeProviders.start()
  const config = readConfig({
    KEYHOLD_DATA_DIR: join(folder, 'data'),
    KEYHOLD_HTTP_ADDR: '127.0.0.1:0',
    ...(databaseUrl !== undefined && { KEYHOLD_DATABASE_URL: databaseUrl }),
  })
  const core = await composeCore(config, undefined, providers.internet)
  const server = await composeServer(config, core, pino({ level: 'silent' }))
  const url = await server.listen()
  try {
    const operator = { caller: { kind: 'operator' }, origin: { traceId: 'e2e' } } as const
    const account = await core.accounts.create(operator, {
      email: 'ada@example.com',
      name: 'Ada',
      role: 'admin',
      password: new Secret('a password of some length'),
    })
    const created = await core.accessTokens.create(operator, account.id, {
      name: 'laptop',
      scopes: null,
      expiresAt: new Date(Date.now() + 30 * DAY_MS),
    })
    const token = created.token.reveal()
    const life = new Life(url, token, folder)
    /** How a workspace of hers asks. */
    const asker = async (): Promise<Asker<Person>> => ({
      caller: (await core.accessTokens.authenticate(token))!,
      origin: { traceId: 'e2e', address: '127.0.0.1' },
    })

    // Personal secrets.
    const secret = await life.call('POST', '/api/v1/personal-secrets', {
      name: 'npm token',
      type: 'token',
      value: 'npm_first',
      description: 'publishing packages',
      envName: 'NPM_TOKEN',
      filePath: '~/.config/npm/token',
    })
    await life.call('PATCH', `/api/v1/personal-secrets/${secret.id}`, { value: 'npm_second' })
    const revealed = await life.call('POST', `/api/v1/personal-secrets/${secret.id}/reveal`, {})
    assert.equal(revealed.value, 'npm_second')
    const [delivered] = await core.personalSecrets.deliver(await asker(), WORKSPACE)
    assert.equal(Buffer.from(delivered!.value.reveal()).toString(), 'npm_second')
    say(`personal secret: ${delivered!.envName} and ${delivered!.filePath}, version ${delivered!.version}`)

    // Trusted SSH keys, made by ssh-keygen.
    const sshKey = join(folder, 'id_ed25519')
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'ada@laptop', '-f', sshKey])
    const fingerprint = execFileSync('ssh-keygen', ['-lf', sshKey], { encoding: 'utf8' }).split(' ')[1]!
    const added = await life.call('POST', '/api/ssh/keys', {
      publicKey: readFileSync(`${sshKey}.pub`, 'utf8'),
    })
    assert.equal(added.publicKeyFingerprint, fingerprint)
    const entering = await core.sshKeys.findForLogin(fingerprint)
    assert.equal(entering?.accountId, account.id)
    await core.sshKeys.used(entering!.id)
    say(`SSH key: ${fingerprint} (${added.title}) may enter`)

    // The SSH identity signs a commit, and ssh-keygen verifies it.
    const identity = await life.call('POST', '/api/v1/ssh-identity', {})
    const signer = await life.startSigner({
      ssh: async (content) => {
        const hash = createHash('sha512').update(content).digest()
        const data = Buffer.concat([Buffer.from('SSHSIG'), sshStrings('git', '', 'sha512', hash)])
        const signature = await core.sshIdentities.sign(await asker(), data, { workspaceId: WORKSPACE })
        return armoredSshSignature(identity.publicKey, signature)
      },
      gpg: async (content) => core.gpgKeys.sign(await asker(), gpgKey.id, content),
    })
    await life.signCommit('ssh', identity.publicKey, signer.url)
    say(`SSH identity: ${identity.publicKeyFingerprint} signed a commit that git verifies`)

    // A code repository, by OAuth, as the command line connects one.
    const github = providers.add('github')
    const provider = await life.call('POST', '/api/v1/repository-providers', {
      type: 'github',
      kind: 'default',
      clientId: github.clientId,
      clientSecret: github.clientSecret,
    })
    github.redirectUri = provider.callbackUrl
    const begun = await life.call('POST', '/api/v1/repository-connections', {
      providerId: provider.id,
      method: 'oauth',
    })
    const back = github.authorize(begun.authorizationUrl, 'ada')
    const page = await (await fetch(`${url}${back.pathname}${back.search}`)).text()
    const code = /<pre>([0-9A-Z]{4}-[0-9A-Z]{4})<\/pre>/.exec(page)?.[1]
    const connection = await life.call('POST', '/api/v1/repository-connections/confirm', { code })
    const git = await core.repositoryTokens.tokenFor(await asker(), { host: 'github.com' })
    const grant = github.tokens.get(git.token.reveal())
    assert.ok(grant && !grant.isRevoked)
    say(`code repository: github.com as ada, git gets ${git.username} and a token`)

    // A GPG key: deployed to the connected host, imported by gpg, signs a commit that git verifies.
    const { gpgKey } = await life.call('POST', '/api/v1/gpg-keys', { name: 'Ada', email: 'ada@example.com' })
    assert.equal(github.gpgKeys.size, 1)
    life.gpg(['--import'], gpgKey.publicKey)
    await life.signCommit('gpg', gpgKey.fingerprint, signer.url)
    say(`GPG key: ${gpgKey.fingerprint} is at github.com and signed a commit that git verifies`)
    signer.stop()

    // An API key goes to its host, and to no other.
    const apiKey = await life.call('POST', '/api/v1/api-keys', {
      name: 'payments',
      service: 'stripe',
      value: 'sk_test_of_nobody',
      expiresAt: new Date(Date.now() + 7 * DAY_MS).toISOString(),
    })
    const use = (target: string) =>
      asker().then((who) => core.apiKeys.use(who, apiKey.id, { method: 'GET', url: target }, WORKSPACE))
    await use('https://api.stripe.com/v1/charges')
    await assert.rejects(use('https://api.stripe.com.example.org/v1/charges'))
    say(`API key: ${apiKey.name} goes to ${apiKey.allowedHosts.join(', ')} and nowhere else`)

    // A project's access key, for the inventory.
    const project = await life.call('POST', '/api/v1/projects', { name: 'shop' })
    await life.call('POST', `/api/v1/projects/${project.id}/access-keys`, { permission: 'read' })

    const { credentials } = (await life.call('GET', '/api/v1/credentials')) as { credentials: Credential[] }
    const kinds = credentials.map(({ kind }) => kind)
    assert.equal(new Set(kinds).size, 8)
    assert.equal(kinds.length, 8)
    assert.deepEqual(
      credentials.filter(({ lastUsedAt }) => lastUsedAt === null).map(({ kind }) => kind),
      ['access-key'],
    )
    assert.equal(credentials[0]!.kind, 'api-key') // Expires first.

    // And the end of each.
    await life.remove(`/api/v1/personal-secrets/${secret.id}`)
    await life.call('DELETE', '/api/ssh/keys', { publicKeyFingerprint: fingerprint })
    assert.equal(await core.sshKeys.findForLogin(fingerprint), undefined)
    await life.remove('/api/v1/ssh-identity')
    await life.remove(`/api/v1/gpg-keys/${gpgKey.id}`)
    assert.equal(github.gpgKeys.size, 0)
    await life.remove(`/api/v1/repository-connections/${connection.id}`)
    assert.ok(grant.isRevoked)
    await life.remove(`/api/v1/api-keys/${apiKey.id}`)
    await assert.rejects(use('https://api.stripe.com/v1/charges'))
    const left = (await life.call('GET', '/api/v1/credentials')).credentials as Credential[]
    assert.deepEqual(left.map(({ kind }) => kind).sort(), ['access-key', 'access-token'])
    say('all removed, here and at github.com')
    return credentials
  } finally {
    await server.close()
    providers.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The API as its person calls it, and the programs on their machine. */
class Life {
  readonly #url: string
  readonly #token: string
  readonly #folder: string

  constructor(url: string, token: string, folder: string) {
    this.#url = url
    this.#token = token
    this.#folder = folder
  }

  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape; each is asserted on.
  async call(method: string, path: string, body?: object): Promise<any> {
    const answer = await fetch(this.#url + path, {
      method,
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    assert.ok(answer.ok, `${method} ${path} answered ${answer.status}: ${text}`)
    return text === '' ? undefined : JSON.parse(text)
  }

  /** Deletes, and sees that a second time is 404. */
  async remove(path: string): Promise<void> {
    await this.call('DELETE', path)
    const again = await fetch(this.#url + path, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${this.#token}` },
    })
    assert.equal(again.status, 404, `a second DELETE ${path}`)
  }

  gpg(args: readonly string[], input: string): void {
    execFileSync('gpg', ['--batch', '--quiet', ...args], {
      env: this.#env(),
      input,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
  }

  #env(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
    const home = join(this.#folder, 'home')
    mkdirSync(join(home, '.gnupg'), { recursive: true, mode: 0o700 })
    return { PATH: process.env.PATH, HOME: home, GNUPGHOME: join(home, '.gnupg'), LC_ALL: 'C', ...extra }
  }

  /** Makes a repository with a commit that Keyhold signs, and has git verify it. Waits, since this process is the signer. */
  async signCommit(kind: 'gpg' | 'ssh', key: string, signerUrl: string): Promise<void> {
    const repository = mkdtempSync(join(this.#folder, `${kind}-`))
    const program = join(repository, '.signer')
    const script = join(import.meta.dirname, 'signer.mjs')
    writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${script}' ${kind} "$@"\n`, {
      mode: 0o755,
    })
    const allowed = join(repository, '.allowed')
    writeFileSync(allowed, `ada@example.com namespaces="git" ${key}\n`)
    const settings = {
      'user.name': 'Ada',
      'user.email': 'ada@example.com',
      'commit.gpgsign': 'true',
      'user.signingkey': kind === 'ssh' ? `key::${key}` : key,
      ...(kind === 'ssh'
        ? { 'gpg.format': 'ssh', 'gpg.ssh.program': program, 'gpg.ssh.allowedSignersFile': allowed }
        : { 'gpg.program': program }),
    }
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const env = this.#env({ KEYHOLD_E2E_SIGNER: signerUrl })
    const git = (...args: string[]) => execFileAsync('git', [...flags, ...args], { cwd: repository, env })
    await git('init', '-q')
    await git('commit', '-q', '--allow-empty', '-m', 'signed by Keyhold')
    await git('verify-commit', 'HEAD')
  }

  async startSigner(sign: Record<'gpg' | 'ssh', (content: Buffer) => Promise<string>>) {
    const server = createServer(async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      const kind = request.url === '/gpg' ? 'gpg' : 'ssh'
      try {
        response.end(await sign[kind](Buffer.concat(chunks)))
      } catch {
        response.writeHead(500).end()
      }
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, stop: () => server.close() }
  }
}

function armoredSshSignature(publicKey: string, signature: Uint8Array): string {
  const version = Buffer.from([0, 0, 0, 1])
  const publicBlob = Buffer.from(publicKey.split(' ')[1]!, 'base64')
  const blob = Buffer.concat([
    Buffer.from('SSHSIG'),
    version,
    sshStrings(publicBlob, 'git', '', 'sha512', signature),
  ])
  const lines = blob.toString('base64').match(/.{1,70}/g)!
  return ['-----BEGIN SSH SIGNATURE-----', ...lines, '-----END SSH SIGNATURE-----', ''].join('\n')
}
