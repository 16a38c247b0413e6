// What programs of a workspace do elsewhere, as its owner: what the agent asks the server for.
import { createPrivateKey, createPublicKey, sign as signBytes, verify } from 'node:crypto'
import { createMessage, readKey, readSignature, verify as verifyGpg } from 'openpgp'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { mpintBytes, SshReader, sshStrings } from '../src/base/ssh-wire.ts'
import { eventually, TestAgent } from './agent-kit.ts'
import { type FakeProvider, FakeProviders } from './fake-providers.ts'
import { type Answer, databases, startServer, type TestPerson, type TestServer } from './kit.ts'
import { login, newSshKey, newSshPair, signedData } from './ssh-kit.ts'

const CURRENT = '/api/v1/workspaces/current'
const CONNECTIONS = '/api/v1/repository-connections'
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

const PERSON = 'Ada Lovelace <ada@example.com> 1700000000 +0100'
const ID = '4b825dc642cb6eb9a060e54bf8d69288fbee4904'
const PARENT = `parent ${ID}\n`
const COMMIT = Buffer.from(
  `tree ${ID}\nauthor ${PERSON}\ncommitter ${PERSON}\nencoding ISO-8859-1\nmergetag object ${ID}\n type commit\n\nWhat and why.\n`,
)
const TAG = `object ${ID}\ntype commit\ntag v1\ntagger ${PERSON}\n\nOne.\n`
const PUSH = `certificate version 0.1\npusher 0x1234 1700000000 +0000\npushee https://example.com/a.git\nnonce 1-a\n\n${ID} ${ID} refs/heads/main\n`

describe.each(databases)('the identity of a workspace, on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let fakes: FakeProviders
  let admin: TestPerson
  let owner: TestPerson
  let workspace: { id: string; name: string }
  let agent: string
  const providers = new Map<string, { id: string; fake: FakeProvider }>()
  let count = 0

  beforeAll(async () => {
    fakes = await FakeProviders.start()
    ;({ server, stop } = await startServer(database, {}, fakes.internet))
    admin = await server.addPerson('admin')
    await register('github', undefined)
    await register('gitlab', 'https://git.corp.example:8443/gitlab')
  })
  afterAll(async () => {
    await stop()
    fakes.stop()
  })
  beforeEach(async () => {
    owner = await server.addPerson()
    workspace = await server.ok('POST', '/api/v1/workspaces', {
      token: owner.token,
      body: { name: `api ${++count}` },
    })
    agent = await server.addAgent(owner, workspace.id)
  })

  async function register(type: 'github' | 'gitlab', baseUrl: string | undefined): Promise<void> {
    const fake = fakes.add(type, baseUrl)
    const { clientId, clientSecret } = fake
    const provider = await server.ok('POST', '/api/v1/repository-providers', {
      token: admin.token,
      body: {
        ...{ type, clientId, clientSecret, kind: baseUrl === undefined ? 'default' : 'internal' },
        ...(baseUrl !== undefined && { baseUrl }),
      },
    })
    fake.redirectUri = provider.callbackUrl
    providers.set(provider.host, { id: provider.id, fake })
  }

  /** Connects by OAuth, as the command line does. */
  async function connect(host: string, who = owner): Promise<{ id: string }> {
    const { id, fake } = providers.get(host)!
    const { authorizationUrl } = await server.ok('POST', CONNECTIONS, {
      token: who.token,
      body: { providerId: id, method: 'oauth' },
    })
    const back = fake.authorize(authorizationUrl, 'octo')
    const page = await server.request('GET', back.pathname + back.search)
    const code = /<pre>([0-9A-Z]{4}-[0-9A-Z]{4})<\/pre>/.exec(page.text)![1]!
    return server.ok('POST', `${CONNECTIONS}/confirm`, { token: who.token, body: { code } })
  }

  const identity = async () => server.ok('GET', `${CURRENT}/identity`, { token: agent })
  const credential = (host: string, more: object = {}, token: string | undefined = agent) =>
    server.request('POST', `${CURRENT}/git-credentials`, { ...(token && { token }), body: { host, ...more } })

  /** What holds of everything that only the agent of this workspace gets, while it is the agent. */
  async function isForTheAgentAlone(ask: (token?: string) => Promise<{ status: number }>) {
    expect((await ask('')).status).toBe(401)
    expect((await ask(`${agent.slice(0, -1)}${agent.endsWith('x') ? 'y' : 'x'}`)).status).toBe(401)
    for (const person of [owner, admin]) expect((await ask(person.token)).status).toBe(403)
    const disable = (isDisabled: boolean) =>
      server.ok('PATCH', `/api/v1/accounts/${owner.id}`, { token: admin.token, body: { isDisabled } })
    await disable(true)
    expect((await ask()).status).toBe(401)
    await disable(false)
    expect((await ask()).status).toBe(200)
    await server.ok('DELETE', `/api/v1/workspaces/${workspace.id}/agent`, { token: owner.token })
    expect((await ask()).status).toBe(401)
  }

  describe('tokens for git', () => {
    test('SDS-3, F10: the token of the owner’s connection, recorded with workspace and connection before it leaves', async () => {
      const connection = await connect('github.com')
      expect(await identity()).toMatchObject({
        gitHosts: [{ connectionId: connection.id, host: 'github.com', method: 'oauth' }],
      })
      const { status, body } = await credential('github.com')
      expect([status, body.username]).toEqual([200, 'x-access-token'])
      expect(providers.get('github.com')!.fake.tokens.has(body.password)).toBe(true)
      expect(Date.parse(body.expiresAt)).toBeGreaterThan(server.clock.now().getTime() + 7 * HOUR_MS)
      expect((await server.records(1))[0]).toMatchObject({
        action: 'repository.use',
        outcome: 'success',
        actor: { kind: 'workspace', id: workspace.id },
        workspace: workspace.id,
        target: { kind: 'repository-connection', id: connection.id, name: 'github.com' },
      })
    })

    test('T20: hosts match to the letter, port included; 404 for all others, the same for those of other people', async () => {
      await connect('github.com')
      await connect('git.corp.example:8443')
      const stranger = await server.addPerson()
      for (const host of ['github.com', 'GitHub.com', 'github.com:443', 'git.corp.example:8443'])
        expect([host, (await credential(host)).status]).toEqual([host, 200])
      const nobodys = (await credential('nobodys.example')).body
      for (const host of [
        ...[
          'github.com.evil.example',
          'evil-github.com',
          'www.github.com',
          'github.com:8443',
          'github.com:80',
        ],
        ...['git.corp.example', 'git.corp.example:443', 'github.com.', 'github.com/evil', 'github.com:'],
        ...[
          'github.com@evil.example',
          'x:y@github.com',
          'evil.example#github.com',
          'evil.example?github.com',
        ],
        ...['github.com\n', 'github.com\r\n', ' github.com', 'git%68ub.com', 'github%2ecom'],
        ...[
          'ｇithub.com',
          'gíthub.com',
          'githu\u00adb.com',
          'github。com',
          'https://github.com',
          '//github.com',
        ],
      ]) {
        const { status, body } = await credential(host)
        expect([host, status, body]).toEqual([host, 404, { ...nobodys, traceId: body.traceId }])
      }
      const other = await server.ok('POST', '/api/v1/workspaces', {
        token: stranger.token,
        body: { name: 'other' },
      })
      const otherAgent = await server.addAgent(stranger, other.id)
      const foreign = await credential('github.com', {}, otherAgent)
      expect([foreign.status, foreign.body]).toEqual([404, { ...nobodys, traceId: foreign.body.traceId }])
      expect((await server.records(1))[0]).toMatchObject({
        action: 'repository.use',
        outcome: 'failed',
        workspace: other.id,
      })
    })

    test('400 that names the field', async () => {
      for (const [body, field] of [
        [{}, 'host'],
        [{ host: '' }, 'host'],
        [{ host: 'x'.repeat(256) }, 'host'],
        [{ host: 'github.com', isRejected: 'yes' }, 'isRejected'],
        [{ host: 'github.com\0' }, 'host'],
        [{ host: 'github.com', accountId: admin.id }, 'body'],
      ] as const) {
        const answer = await server.request('POST', `${CURRENT}/git-credentials`, { token: agent, body })
        expect([body, answer.status, answer.body.errors?.[0]?.field]).toEqual([body, 400, field])
      }
    })

    test('for the agent alone: 401, 403 for people, nothing once the owner is disabled or the agent cut off', async () => {
      await connect('github.com')
      await isForTheAgentAlone((token) => credential('github.com', {}, token))
    })

    test('for the agent alone, as whom the workspace is known', async () => {
      await isForTheAgentAlone((token = agent) =>
        server.request('GET', `${CURRENT}/identity`, token === '' ? {} : { token }),
      )
    })

    test('one that is about to end is refreshed by whoever asks, and recorded; one that was rejected too, once a minute', async () => {
      const { fake } = providers.get('git.corp.example:8443')!
      await connect('git.corp.example:8443')
      const first = (await credential('git.corp.example:8443')).body.password
      server.clock.advance(2 * HOUR_MS - 4 * MINUTE_MS)
      const second = (await credential('git.corp.example:8443')).body.password
      expect(second).not.toBe(first)
      expect(fake.tokens.get(second)?.isRevoked).toBe(false)
      const refreshed = (await server.records(5)).find(({ action }) => action === 'repository.refresh')
      expect(refreshed).toMatchObject({
        actor: { kind: 'workspace', id: workspace.id },
        workspace: workspace.id,
      })
      server.clock.advance(2 * MINUTE_MS)
      const third = (await credential('git.corp.example:8443', { isRejected: true })).body.password
      expect(third).not.toBe(second)
      const fourth = (await credential('git.corp.example:8443', { isRejected: true })).body.password
      expect(fourth).toBe(third)
    })

    test('SDS-15: over SSH nothing is given; disconnected, the next request gets nothing, and the agent hears of each', async () => {
      const connected = await TestAgent.connect(server.url, agent)
      const heard = async (change: () => Promise<unknown>) => {
        const before = connected.messages.length
        await change()
        await server.server.agentConnections.look()
        await eventually(
          () => connected.messages.length,
          (seen) => expect(seen).toBeGreaterThan(before),
        )
      }
      let id = ''
      await heard(async () => {
        ;({ id } = await connect('github.com'))
      })
      await heard(() =>
        server.ok('PATCH', `${CONNECTIONS}/${id}`, { token: owner.token, body: { method: 'ssh' } }),
      )
      expect((await credential('github.com')).body.code).toBe('repository_connection.no_token')
      expect((await identity()).gitHosts).toMatchObject([{ host: 'github.com', method: 'ssh' }])
      await server.ok('PATCH', `${CONNECTIONS}/${id}`, { token: owner.token, body: { method: 'oauth' } })
      expect((await credential('github.com')).status).toBe(200)
      await heard(() => server.ok('DELETE', `${CONNECTIONS}/${id}`, { token: owner.token }))
      expect((await credential('github.com')).status).toBe(404)
      expect((await identity()).gitHosts).toEqual([])
    })
  })

  describe('SSH', () => {
    const sign = (data: Uint8Array, more: object = {}, token: string | undefined = agent) =>
      server.request('POST', `${CURRENT}/ssh-signatures`, {
        ...(token && { token }),
        body: { data: Buffer.from(data).toString('base64'), ...more },
      })
    const generate = async (body: object = {}) => {
      const { publicKey } = await server.ok('POST', '/api/v1/ssh-identity', { token: owner.token, body })
      return { publicKey, blob: Buffer.from(publicKey.split(' ')[1], 'base64') }
    }
    const isSignature = (blob: Buffer, data: Uint8Array, answer: Answer) => {
      const fields = new SshReader(Buffer.from(answer.body.signature, 'base64'))
      const key = createPublicKey({
        key: { kty: 'OKP', crv: 'Ed25519', x: blob.subarray(-32).toString('base64url') },
        format: 'jwk',
      })
      return fields.text() === 'ssh-ed25519' && verify(null, data, key, fields.string())
    }

    test('SDS-28, SEC-34: logins and commits are signed with the owner’s identity, recorded before with workspace and purpose', async () => {
      expect((await identity()).sshPublicKey).toBe(null)
      expect((await sign(signedData('x'))).body.code).toBe('ssh_identity.not_found')
      const { publicKey, blob } = await generate()
      expect((await identity()).sshPublicKey).toBe(publicKey)
      for (const [data, name] of [
        [login(blob), 'login as git'],
        [signedData('a commit'), 'git signature'],
      ] as const) {
        const answer = await sign(data)
        expect([name, isSignature(blob, data, answer)]).toEqual([name, true])
        expect((await server.records(1))[0]).toMatchObject({
          action: 'ssh-identity.sign',
          outcome: 'success',
          actor: { kind: 'workspace', id: workspace.id },
          workspace: workspace.id,
          target: { kind: 'ssh-identity', name },
        })
      }
    })

    test('T22: 403 and a record for anything else: another blob, namespace, key or service', async () => {
      const { blob } = await generate()
      for (const data of [
        ...[Buffer.alloc(0), Buffer.from('tree 4b825dc'), signedData('x', 'file'), login(newSshKey().blob)],
        ...[login(blob, { service: 'ssh-userauth' }), login(blob, { method: 'hostbased' })],
      ]) {
        const answer = await sign(data)
        expect([answer.status, answer.body.code]).toEqual([403, 'ssh_identity.sign_refused'])
        expect((await server.records(1))[0]).toMatchObject({
          action: 'ssh-identity.sign',
          outcome: 'refused',
          reason: 'ssh_identity.sign_refused',
          workspace: workspace.id,
        })
      }
    })

    describe('for certain hosts', () => {
      const PATH = '/api/v1/ssh-identity/destinations'
      const put = (destinations: unknown, token: string | undefined = owner.token) =>
        server.request('PUT', PATH, { ...(token && { token }), body: { destinations } })
      /** A host, and how it signs the session of a login. */
      const hosts = [
        { ...newSshPair('ed25519'), hash: null, algorithm: 'ssh-ed25519' },
        {
          ...newSshPair('ecdsa', '-b', '256', '-m', 'PEM'),
          hash: 'sha256',
          algorithm: 'ecdsa-sha2-nistp256',
        },
        {
          ...newSshPair('ecdsa', '-b', '521', '-m', 'PEM'),
          hash: 'sha512',
          algorithm: 'ecdsa-sha2-nistp521',
        },
        { ...newSshPair('rsa', '-b', '2048', '-m', 'PEM'), hash: 'sha512', algorithm: 'rsa-sha2-512' },
      ].map((host) => ({ ...host, publicKey: host.line.split(' ').slice(0, 2).join(' ') }))
      type Host = (typeof hosts)[number]
      const parsed = new Map<Host, ReturnType<typeof keyOf>>()
      const keyOf = ({ privateKey, hash }: Host) => {
        if (hash !== null) return createPrivateKey(privateKey)
        // OpenSSH has Ed25519 in its own format only: the seed is the first half of its last but one string.
        const file = Buffer.from(privateKey.split('\n').slice(1, -2).join(''), 'base64')
        const fields = new SshReader(file.subarray('openssh-key-v1\0'.length))
        for (let i = 0; i < 3; i++) fields.string()
        fields.take(4)
        fields.string()
        const inner = new SshReader(fields.string())
        inner.take(8)
        inner.string()
        inner.string()
        const seed = inner.string().subarray(0, 32)
        const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
        return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
      }
      const bound = (host: Host, data: Buffer, session: Uint8Array = data.subarray(4, 36)) => {
        const key = parsed.get(host) ?? keyOf(host)
        parsed.set(host, key)
        let bytes: Buffer = signBytes(host.hash, session, { key, dsaEncoding: 'ieee-p1363' })
        if (host.algorithm.startsWith('ecdsa')) {
          const half = bytes.length / 2
          bytes = sshStrings(mpintBytes(bytes.subarray(0, half)), mpintBytes(bytes.subarray(half)))
        }
        const signature = sshStrings(host.algorithm, bytes).toString('base64')
        return { destination: { hostKey: host.blob.toString('base64'), signature } }
      }
      const named = (list: readonly Host[]) =>
        list.map(({ algorithm, publicKey }) => ({ name: `${algorithm}.example.com`, publicKey }))

      test('T22: logins to those hosts alone are signed, proven by the host itself; commits as before', async () => {
        const { blob } = await generate()
        const [listed, other] = [hosts.slice(0, 3), hosts[3]!]
        await server.ok('PUT', PATH, { token: owner.token, body: { destinations: named(listed) } })
        for (const host of listed) {
          const data = login(blob)
          const answer = await sign(data, bound(host, data))
          expect([host.algorithm, isSignature(blob, data, answer)]).toEqual([host.algorithm, true])
          expect((await server.records(1))[0]).toMatchObject({
            outcome: 'success',
            target: { name: `login as git to ${host.algorithm}.example.com` },
          })
        }
        expect((await sign(signedData('a commit'))).status).toBe(200)
        const [first] = listed as [Host]
        const data = login(blob)
        const right = bound(first, data).destination
        const hostbound = Buffer.concat([
          login(blob, { method: 'publickey-hostbound-v00@openssh.com' }),
          sshStrings(other.blob),
        ])
        for (const [what, asked, more] of [
          ['no host', data, {}],
          ['another host', data, bound(other, data)],
          [
            'the name of one, the signature of another',
            data,
            { destination: { ...right, signature: bound(other, data).destination.signature } },
          ],
          ['another session', data, bound(first, data, Buffer.alloc(32))],
          ['no signature', data, { destination: { ...right, signature: '' } }],
          ['a host that the login itself does not name', hostbound, bound(first, hostbound)],
        ] as const) {
          const answer = await sign(asked, more)
          expect([what, answer.status, answer.body.code]).toEqual([what, 403, 'ssh_identity.sign_refused'])
          expect((await server.records(1))[0]).toMatchObject({ outcome: 'refused', workspace: workspace.id })
        }
        // RSA signs with SHA-2 only, and is a host as the others are.
        await put(named([other]))
        expect((await sign(data, bound(other, data))).status).toBe(200)
        expect((await sign(data, { destination: right })).status).toBe(403)
        await put([])
        expect((await sign(data)).status).toBe(200)
      })

      test('the list is shown, recorded, and goes over to the key that comes in its place', async () => {
        await generate()
        const list = named(hosts.slice(0, 2))
        const answer = await put(list.map((one) => ({ ...one, publicKey: `${one.publicKey} a comment` })))
        expect([answer.status, answer.body.destinations]).toEqual([200, list])
        expect((await server.records(1))[0]).toMatchObject({
          action: 'ssh-identity.restrict',
          outcome: 'success',
          actor: { id: owner.id },
        })
        await generate({ replace: true })
        const shown = await server.ok('GET', '/api/v1/ssh-identity', { token: owner.token })
        expect(shown.destinations).toEqual(list)
      })

      test('400 that names the field, 401, and 404 where there is no identity, whoever else has one', async () => {
        const stranger = await server.addPerson()
        await generate()
        expect((await put([], stranger.token)).body.code).toBe('ssh_identity.not_found')
        expect((await put([], '')).status).toBe(401)
        const [one] = named(hosts) as [{ name: string; publicKey: string }]
        for (const [list, field] of [
          [undefined, 'destinations'],
          [[{ name: 'x' }], 'publicKey'],
          [[{ ...one, name: 'a b' }], 'name'],
          [[{ ...one, publicKey: 'ssh-ed25519 AAAA' }], 'publicKey'],
          [[{ ...one, publicKey: 'ssh-dss AAAA' }], 'publicKey'],
          [Array.from({ length: 101 }, () => one), 'destinations'],
        ] as const) {
          const answer = await put(list)
          expect([field, answer.status, answer.body.errors?.[0]?.field]).toEqual([
            field,
            400,
            expect.stringContaining(field),
          ])
        }
      })
    })

    test('400 that names the field', async () => {
      for (const [body, field] of [
        [{}, 'data'],
        [{ data: 'AAAA', destination: {} }, 'hostKey'],
        [{ data: 'no base64!' }, 'data'],
        [{ data: 'A' }, 'data'],
        [{ data: 'A'.repeat(4 * Math.ceil((32 * 1024) / 3) + 4) }, 'data'],
        [{ data: '', flags: -1 }, 'flags'],
        [{ data: '', flags: 1.5 }, 'flags'],
      ] as const) {
        const answer = await server.request('POST', `${CURRENT}/ssh-signatures`, { token: agent, body })
        expect([answer.status, answer.body.errors?.[0]?.field]).toEqual([400, expect.stringContaining(field)])
      }
    })

    test('SDS-30: another one in its place signs from the next request on, and the agent hears of it; deleted, none does', async () => {
      const first = await generate()
      const connected = await TestAgent.connect(server.url, agent)
      const second = await generate({ replace: true })
      await server.server.agentConnections.look()
      await eventually(
        () => connected.messages.length,
        (seen) => expect(seen).toBeGreaterThan(1),
      )
      expect((await identity()).sshPublicKey).toBe(second.publicKey)
      expect((await sign(login(first.blob))).status).toBe(403)
      expect((await sign(login(second.blob))).status).toBe(200)
      await server.request('DELETE', '/api/v1/ssh-identity', { token: owner.token })
      expect((await sign(login(second.blob))).status).toBe(404)
    })

    test('for the agent alone, and nothing with another person’s identity', async () => {
      await generate()
      await isForTheAgentAlone((token) => sign(signedData('x'), {}, token))
    })
  })

  describe('GPG', () => {
    const create = async () =>
      (await server.ok('POST', '/api/v1/gpg-keys', { token: owner.token, body: {} })).gpgKey
    const sign = (
      fingerprint: string,
      data: unknown = COMMIT.toString('base64'),
      token: string | undefined = agent,
    ) =>
      server.request('POST', `${CURRENT}/gpg-signatures`, {
        ...(token && { token }),
        body: { fingerprint, data },
      })

    test('SDS-36: commits are signed with the newest of the owner’s keys, recorded before with workspace and key', async () => {
      expect((await identity()).gpgKey).toBe(null)
      await create()
      const { fingerprint, publicKey, email, id } = await create()
      expect((await identity()).gpgKey).toEqual({ fingerprint, email })
      const answer = await sign(fingerprint)
      const { signatures } = await verifyGpg({
        message: await createMessage({ binary: COMMIT }),
        signature: await readSignature({ armoredSignature: answer.body.signature }),
        verificationKeys: await readKey({ armoredKey: publicKey }),
        date: server.clock.now(),
      })
      expect(await signatures[0]!.verified).toBe(true)
      expect((await server.records(1))[0]).toMatchObject({
        action: 'gpg-key.sign',
        outcome: 'success',
        actor: { kind: 'workspace', id: workspace.id },
        workspace: workspace.id,
        target: { kind: 'gpg-key', id, name: `git commit with ${fingerprint}` },
      })
    })

    test('403 and a record for all that git does not sign, and for another key of the owner', async () => {
      const older = await create()
      const { fingerprint } = await create()
      for (const [data, what] of [
        [`${PARENT}${COMMIT}`.replace(/(parent.*\n)(tree.*\n)/, '$2$1'), 'git commit'],
        [TAG, 'git tag'],
        [PUSH, 'git push'],
      ] as const) {
        const answer = await sign(fingerprint, Buffer.from(data).toString('base64'))
        expect([what, answer.status]).toEqual([what, 200])
        expect((await server.records(1))[0]!.target?.name).toBe(`${what} with ${fingerprint}`)
      }
      const refused = async (key: string, data: string) => {
        const answer = await sign(key, Buffer.from(data).toString('base64'))
        expect([data, answer.status, answer.body.code]).toEqual([data, 403, 'gpg_key.sign_refused'])
        expect((await server.records(1))[0]).toMatchObject({
          action: 'gpg-key.sign',
          outcome: 'refused',
          reason: 'gpg_key.sign_refused',
          workspace: workspace.id,
        })
      }
      await refused(older.fingerprint, String(COMMIT))
      for (const data of [
        ...['', 'a file', `x${COMMIT}`, String(COMMIT).replace('author', 'Author'), `${COMMIT}\0`],
        ...[String(COMMIT).split('\n\n')[0]!, String(COMMIT).replace('tree', `tree ${'a'.repeat(39)}\ntree`)],
        ...[TAG.replace('type commit', 'type mail'), `${PUSH}more`, PUSH.replace('0.1', '0.2')],
      ])
        await refused(fingerprint, data)
    })

    test('SDS-37: a key that is deleted signs nothing more, and the agent hears of it; 404 for another person’s', async () => {
      const { id, fingerprint } = await create()
      const connected = await TestAgent.connect(server.url, agent)
      await server.ok('DELETE', `/api/v1/gpg-keys/${id}`, { token: owner.token })
      await server.server.agentConnections.look()
      await eventually(
        () => connected.messages.length,
        (seen) => expect(seen).toBeGreaterThan(1),
      )
      const gone = await sign(fingerprint)
      expect([gone.status, gone.body.code, (await identity()).gpgKey]).toEqual([
        404,
        'gpg_key.not_found',
        null,
      ])
      const stranger = await server.addPerson()
      const { gpgKey } = await server.ok('POST', '/api/v1/gpg-keys', { token: stranger.token, body: {} })
      const foreign = await sign(gpgKey.fingerprint)
      expect(foreign.body).toEqual({ ...gone.body, traceId: foreign.body.traceId })
    })

    test('400 that names the field; for the agent alone', async () => {
      const { fingerprint } = await create()
      for (const [body, field] of [
        [{ data: '' }, 'fingerprint'],
        [{ fingerprint: fingerprint.toLowerCase(), data: '' }, 'fingerprint'],
        [{ fingerprint, data: 'no base64!' }, 'data'],
      ] as const) {
        const answer = await server.request('POST', `${CURRENT}/gpg-signatures`, { token: agent, body })
        expect([answer.status, answer.body.errors?.[0]?.field]).toEqual([400, field])
      }
      await isForTheAgentAlone((token) => sign(fingerprint, undefined, token))
    })
  })
})
