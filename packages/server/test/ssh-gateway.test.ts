import { execFileSync } from 'node:child_process'
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { type EventEmitter, once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AGENT_TUNNEL_PATH, tunnelHeaders } from '@keyhold/contract/api/workspace-agents'
import { limits } from '@keyhold/contract/limits'
import { pino } from 'pino'
import ssh2 from 'ssh2'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { fingerprintOf } from '../src/base/ssh-public-key.ts'
import { sshStrings } from '../src/base/ssh-wire.ts'
import { findPerson } from '../src/compose/find-person.ts'
import { SshGateway } from '../src/ssh-gateway/ssh-gateway.ts'
import { isProven } from '../src/ssh-gateway/verify-signature.ts'
import { SshSessions } from '../src/workspaces/ssh-sessions.service.ts'
import { Tunnels } from '../src/workspaces/tunnels.ts'
import { eventually, TestAgent } from './agent-kit.ts'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'
import { Message, newLoginKey, RawSsh } from './raw-ssh.ts'
import { newSshKey, newSshPair } from './ssh-kit.ts'

/* What the programs of OpenSSH see of it: packages/cli/test/ssh.test.ts. Here: what they would never do. */

/** As `once`, but errors on the way are none: what is waited for is the end. */
const closed = (one: EventEmitter) => new Promise<number>((resolve) => one.on('close', resolve))

describe.each(databases)('the SSH gateway on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let owner: TestPerson
  let workspace: { id: string }
  let credential: string
  let agent: TestAgent
  const pair = newSshPair()
  let port: number

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
    owner = await server.addPerson()
    workspace = await server.ok('POST', '/api/v1/workspaces', { token: owner.token, body: { name: 'api' } })
    await server.ok('POST', '/api/ssh/keys', { token: owner.token, body: { publicKey: pair.line } })
    credential = await server.addAgent(owner, workspace.id)
    agent = await TestAgent.connect(server.url, credential)
    port = server.server.entrance.gateway!.port
  })
  afterAll(async () => {
    agent.socket.terminate()
    await stop()
  })

  const raw = (): Socket => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    onTestFinished(() => void socket.destroy())
    return socket
  }
  /** An authenticated connection of the library's own client. */
  const signIn = async (privateKey = pair.privateKey, options: object = {}): Promise<ssh2.Client> => {
    const client = new ssh2.Client()
    client.on('error', () => {})
    onTestFinished(() => void client.end())
    client.connect({ host: '127.0.0.1', port, username: 'whoever', privateKey, ...options })
    await new Promise<void>((resolve, reject) => {
      client.on('ready', resolve)
      client.on('close', () => reject(new Error('refused')))
    })
    return client
  }
  /** What an agent does when it is asked to open. */
  const dial = async (headers: Record<string, string> = {}, as = credential): Promise<WebSocket> => {
    const opening = await eventually(
      () => agent.messages.map((text) => JSON.parse(text)).findLast(({ type }) => type === 'open'),
      (seen) => expect(seen).toBeDefined(),
    )
    agent.messages.length = 0
    return dialTunnel(opening, headers, as)
  }
  const dialTunnel = async (opening: { tunnelId: string; token: string }, headers = {}, as = credential) => {
    const url = server.url.replace('http', 'ws') + AGENT_TUNNEL_PATH.replace('{tunnelId}', opening.tunnelId)
    const socket = new WebSocket(url, {
      headers: { authorization: `Bearer ${as}`, [tunnelHeaders.token]: opening.token, ...headers },
    })
    onTestFinished(() => socket.terminate())
    // From the beginning: it may be closed in the same breath.
    closes.set(socket, closed(socket))
    await once(socket, 'open')
    return socket
  }
  const closes = new WeakMap<WebSocket, Promise<number>>()
  const forward = (client: ssh2.Client, host = workspace.id) =>
    new Promise<ssh2.ClientChannel>((resolve, reject) =>
      client.forwardOut('127.0.0.1', 0, host, 22, (error, channel) =>
        error ? reject(error) : resolve(channel),
      ),
    )

  test('a keystroke and its echo wait for no clock: what comes alone goes on alone, both ways (T25)', async () => {
    const client = await signIn()
    client.setNoDelay(true)
    const opened = forward(client)
    const socket = await dial()
    const channel = await opened
    socket.on('message', (data) => socket.send(data))
    // From here on no timer fires: whoever waited a moment for more would wait for ever.
    vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval'] })
    onTestFinished(() => void vi.useRealTimers())
    const took: number[] = []
    for (let i = 0; i < 100; i++) {
      const typedAt = performance.now()
      channel.write(Buffer.of(i))
      const [echo] = await once(channel, 'data')
      took.push(performance.now() - typedAt)
      expect(echo).toEqual(Buffer.of(i))
    }
    // Nor for what was sent before to be acknowledged, which takes 40 ms (S5).
    expect(took.toSorted((a, b) => a - b)[50]).toBeLessThan(30)
  })

  test.each(['-oProxyCommand=x', 'a b', 'a;b', '$(x)', 'a`b`', 'a\nProxyCommand x', '../x', 'A@b', ''])(
    'an agent that says it runs as %j is not believed: what people paste, and ssh reads, has names only (T15)',
    async (loginName) => {
      const path = `/api/v1/workspaces/${workspace.id}/enrollments`
      const { token } = await server.ok('POST', path, { token: owner.token })
      const body = { enrollmentToken: token, loginName, release: '0.1.0' }
      const answer = await server.request('POST', '/api/v1/workspaces/current/enrollment', { body })
      expect(answer.status).toBe(400)
      const { user, command, configuration } = await server.ok(
        'GET',
        `/api/v1/workspaces/${workspace.id}/ssh`,
        { token: owner.token },
      )
      expect(user).toBe('dev')
      expect(command).toMatch(/^ssh -J [a-z0-9.:]+ dev@ws-[a-z0-9]{12}$/)
      expect(configuration).toMatch(/^Host ws-[a-z0-9]{12}\n {2}ProxyJump [a-z0-9.:]+\n {2}User dev\n$/)
    },
  )

  test('a header of the PROXY protocol from somebody who is no balancer ends the connection (T13, CVE-2024-35175)', async () => {
    const v2 = Buffer.from('0d0a0d0a000d0a515549540a2111000cc0000201c0000202303900160a', 'hex')
    for (const before of [Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 12345 22\r\n'), v2]) {
      const client = await RawSsh.greet(port, { before })
      await client.ended()
      await expect(client.exchangeKeys()).rejects.toThrow('has ended')
    }
  })

  test('keys that were used for long are renewed by the gateway, and the connection goes on', async () => {
    const { core } = server
    const gateway = new SshGateway({
      access: core.access,
      audit: core.audit,
      sessions: new SshSessions(core.storage, core.access, server.clock, core.servers.id),
      // No tunnel is opened here.
      connections: undefined as never,
      findKey: (key) => core.sshKeys.findForLogin(key),
      findKeyIds: async (accountIds) =>
        new Set([...(await core.sshKeys.stillLettingIn(accountIds)).values()].flatMap(({ ids }) => [...ids])),
      keyUsed: (id) => core.sshKeys.used(id),
      findPerson: (accountId, keyId) => findPerson(core.accounts, accountId, keyId),
      lacksSecondFactor: async () => false,
      hostKey: core.sshKeysOfInstance.gateway.privateText(),
      isRecorded: () => false,
      logger: pino({ level: 'silent' }),
      rekeyBytes: 100_000,
    })
    onTestFinished(() => gateway.close())
    const { token } = await server.addPerson()
    const own = newLoginKey()
    await server.ok('POST', '/api/ssh/keys', { token, body: { publicKey: own.line } })
    const client = await RawSsh.open(await gateway.listen({ host: '127.0.0.1', port: 0 }))
    expect(await client.signIn(own.blob, own.privateKey)).toBe(Message.userauthSuccess)
    for (let times = 0; times < 3; times++) {
      for (let i = 0; i < 5; i++) client.send(Buffer.of(Message.ignore), sshStrings(Buffer.alloc(25_000)))
      const theirs = await client.receive()
      expect(theirs[0]).toBe(Message.kexinit)
      await client.exchangeKeys(theirs)
      client.send(Buffer.of(Message.globalRequest), sshStrings('keepalive@openssh.com'), Buffer.of(1))
      expect((await client.receive())[0]).toBe(Message.requestFailure)
    }
  })

  test('the agent hears who comes and with which keys, and the bytes of both ways and their ends pass (S6)', async () => {
    const other = newSshKey()
    await server.ok('POST', '/api/ssh/keys', { token: owner.token, body: { publicKey: other.line } })
    const client = await signIn()
    const opened = forward(client)
    const opening = await eventually(
      () => agent.messages.map((text) => JSON.parse(text)).find(({ type }) => type === 'open'),
      (seen) => expect(seen).toBeDefined(),
    )
    expect(opening).toMatchObject({ accountId: owner.id, level: 'owner', address: '127.0.0.1' })
    expect(opening.keys.toSorted()).toEqual(
      [pair.line.split(' ').slice(0, 2).join(' '), other.base].toSorted(),
    )
    const socket = await dial()
    const channel = await opened
    channel.write('to the workspace')
    const [there, isBinary] = await once(socket, 'message')
    expect([String(there), isBinary]).toEqual(['to the workspace', true])
    // The client ends its way; the other one still works.
    channel.end()
    const [ended] = await once(socket, 'message')
    expect(String(ended)).toBe('eof')
    socket.send(Buffer.from('and back'))
    const [back] = await once(channel, 'data')
    expect(String(back)).toBe('and back')
    socket.close()
    await once(channel, 'close')
  })

  test('a tunnel that both ways have ended is closed: OpenSSH waits for that, and a jump would stay for ever (S6)', async () => {
    const opened = forward(await signIn())
    const socket = await dial()
    const channel = await opened
    const hasClosed = once(channel, 'close')
    channel.resume()
    channel.eof()
    const [ended] = await once(socket, 'message')
    expect(String(ended)).toBe('eof')
    // As an agent says it of a server that has gone.
    socket.send('eof')
    socket.close(1000)
    await hasClosed
  })

  test('who is in is listed for the owner and Admins, and oneself for others; whoever may see it ends it, it closes, others go on, and that is recorded (issue 6)', async () => {
    const [admin, edit, view, stranger] = await Promise.all(
      Array.from({ length: 4 }, () => server.addPerson()),
    )
    for (const [level, person] of Object.entries({ admin, edit, view }))
      await server.ok('POST', `/api/v1/workspaces/${workspace.id}/shares`, {
        token: owner.token,
        body: { email: person!.email, level },
      })
    const path = `/api/v1/workspaces/${workspace.id}/ssh-sessions`
    const listed = async (person: TestPerson) =>
      (await server.ok('GET', path, { token: person.token })).sshSessions
    const end = (id: string, person: TestPerson) =>
      server.request('DELETE', `${path}/${id}`, { token: person.token })
    expect(await listed(owner)).toEqual([])
    agent.messages.length = 0
    const client = await signIn()
    const opened = forward(client)
    await dial()
    const channel = await opened
    const another = forward(client)
    const stays = await dial()
    const second = await another
    const [first, other] = await listed(owner)
    expect(first).toEqual({
      id: expect.stringMatching(/^sse_/),
      person: { id: owner.id, name: owner.name, email: owner.email },
      level: 'owner',
      address: '127.0.0.1',
      fingerprint: fingerprintOf(pair.blob),
      server: expect.any(String),
      since: expect.any(String),
      isYours: true,
    })
    expect((await listed(admin!)).map(({ id, isYours }: Record<string, unknown>) => [id, isYours])).toEqual([
      [first.id, false],
      [other.id, false],
    ])
    expect(await listed(edit!)).toEqual([])
    for (const person of [edit!, stranger!]) {
      const [one, none] = await Promise.all([end(first.id, person), end(`sse_${'0'.repeat(20)}`, person)])
      expect([one.status, { ...one.body, traceId: 0 }]).toEqual([404, { ...none.body, traceId: 0 }])
    }
    expect((await end(first.id, view!)).status).toBe(403)
    expect((await server.request('DELETE', `${path}/${first.id}`)).status).toBe(401)
    expect((await end(first.id, owner)).status).toBe(204)
    channel.resume()
    await once(channel, 'close')
    expect((await end(first.id, owner)).status).toBe(404)
    // The other one of the same connection is as it was.
    stays.send(Buffer.from('still here'))
    const [word] = await once(second, 'data')
    expect(String(word)).toBe('still here')
    expect((await end(other.id, admin!)).status).toBe(204)
    await once(second, 'close')
    expect(await listed(owner)).toEqual([])
    // The ends themselves are written down once they have happened.
    const records = await eventually(
      () => server.records(20),
      (seen) =>
        expect(seen.filter(({ action }) => action === 'ssh.disconnect').length).toBeGreaterThanOrEqual(2),
    )
    expect(records).toContainEqual(
      expect.objectContaining({
        action: 'ssh-session.end',
        outcome: 'success',
        workspace: workspace.id,
        actor: expect.objectContaining({ id: admin!.id }),
        target: { kind: 'ssh-session', id: other.id, name: `${owner.email} from 127.0.0.1` },
      }),
    )
  })

  test('who leaves is listed no more', async () => {
    agent.messages.length = 0
    const client = await signIn()
    const opened = forward(client)
    await dial()
    await opened
    client.end()
    await eventually(
      () => server.ok('GET', `/api/v1/workspaces/${workspace.id}/ssh-sessions`, { token: owner.token }),
      ({ sshSessions }) => expect(sshSessions).toEqual([]),
    )
  })

  test('a tunnel is dialled once, by the agent that was asked, with the token that it was given (T19)', async () => {
    const stranger = await server.addPerson()
    const box = await server.ok('POST', '/api/v1/workspaces', {
      token: stranger.token,
      body: { name: 'box' },
    })
    const theirs = await server.addAgent(stranger, box.id)
    const client = await signIn()
    const opened = forward(client)
    const opening = await eventually(
      () => agent.messages.map((text) => JSON.parse(text)).findLast(({ type }) => type === 'open'),
      (seen) => expect(seen).toBeDefined(),
    )
    for (const [as, token] of [
      [theirs, opening.token],
      [credential, `${opening.token}x`],
    ] as const) {
      const socket = await dialTunnel({ ...opening, token }, {}, as)
      expect(await closes.get(socket)).toBe(4003)
    }
    await dial()
    await opened
    expect(await closes.get(await dialTunnel(opening))).toBe(4003)
  })

  test('an agent without an SSH server has that said to who types ssh', async () => {
    const opened = forward(await signIn())
    opened.catch(() => {})
    await dial({ [tunnelHeaders.failure]: 'no-ssh-server' })
    await expect(opened).rejects.toThrow(/install the package openssh-server/)
  })

  test('everything but tunnels is refused: commands, shells beyond a word, forwards, agents, X11', async () => {
    const client = await signIn()
    await expect(
      new Promise((resolve, reject) =>
        client.forwardIn('', 0, (error, at) => (error ? reject(error) : resolve(at))),
      ),
    ).rejects.toThrow()
    await expect(
      new Promise((resolve, reject) => client.sftp((error, sftp) => (error ? reject(error) : resolve(sftp)))),
    ).rejects.toThrow()
    await expect(
      new Promise((resolve, reject) =>
        client.openssh_forwardOutStreamLocal('/run/x', (error, at) => (error ? reject(error) : resolve(at))),
      ),
    ).rejects.toThrow()
    for (const host of [
      'WS-000000000000',
      '127.0.0.1',
      'ws-',
      `${workspace.id}\0`,
      'x'.repeat(300),
      '../x',
      '-oX',
    ])
      await expect(forward(client, host)).rejects.toThrow(/only workspaces|there is no workspace/)
  })

  test('a probe is no proof: who shows one key and signs with another is who signed (T2, CVE-2024-45337)', async () => {
    const eve = await server.addPerson()
    const evil = newSshPair()
    await server.ok('POST', '/api/ssh/keys', { token: eve.token, body: { publicKey: evil.line } })
    // Offers the owner's key without a signature first, then signs with one's own.
    const client = await signIn(evil.privateKey, {
      authHandler: probeThen(pair.line, evil.privateKey),
    })
    await expect(forward(client)).rejects.toThrow(/there is no workspace/)
    const record = (await server.records(5)).find(({ action }) => action === 'ssh.connect')
    expect(record).toMatchObject({ outcome: 'refused', actor: { id: eve.id }, workspace: workspace.id })
  })

  test('SHA-1, and keys of a kind that nobody has, do not get in (S9, T10)', async () => {
    const rsa = newSshPair('rsa', '-b', '2048')
    const person = await server.addPerson()
    await server.ok('POST', '/api/ssh/keys', { token: person.token, body: { publicKey: rsa.line } })
    await signIn(rsa.privateKey)
    await expect(signIn(newSshPair('ecdsa').privateKey)).rejects.toThrow('refused')
  })

  test('methods that are unknown are answered with what would do, and guesses of passwords with an end (S4, S12, SDS-25)', async () => {
    const client = new ssh2.Client()
    onTestFinished(() => void client.end())
    let tries = 0
    const failed = new Promise<Error>((resolve) => client.on('error', resolve))
    client.connect({
      host: '127.0.0.1',
      port,
      username: 'root',
      authHandler: (left, _partial, next) => {
        if (left !== null && left !== undefined) expect(left).toEqual(['publickey'])
        tries += 1
        // `as`: the types know no answer for "once more".
        next({ type: 'password', username: 'root', password: `guess ${tries}` } as never)
      },
    })
    await failed
    expect(tries).toBeGreaterThan(10)
    expect(tries).toBeLessThan(40)
  })

  test('who says nothing is shown out, takes no place for long, and keeps nobody else out (S4, T7)', async () => {
    const silent = Array.from({ length: limits.sshLoginsPerNetwork }, () => raw())
    await Promise.all(silent.map((socket) => once(socket, 'connect')))
    // No place is left for this network …
    const late = raw()
    await closed(late)
    for (const socket of silent) socket.destroy()
    // … until the others have gone.
    await eventually(
      () => signIn().catch(() => undefined),
      (client) => expect(client).toBeDefined(),
    )
  })

  test('more data than the window allows ends the connection (S3, T8)', async () => {
    const client = await signIn()
    const opened = forward(client)
    const socket = await dial()
    const channel = await opened
    socket.pause()
    // As a client that takes no notice of windows.
    const { outgoing } = channel as unknown as { outgoing: { window: number } } // `as`: ssh2's own state.
    const sending = setInterval(() => {
      outgoing.window = 2 ** 31
      channel.write(Buffer.alloc(1024 * 1024))
    }, 1)
    onTestFinished(() => clearInterval(sending))
    await closed(client)
  })

  test('channels beyond the limit are refused, and the connection goes on (S4, T9)', async () => {
    const client = await signIn()
    const outcomes = await Promise.allSettled(
      Array.from({ length: 200 }, () => forward(client, 'ws-000000000000')),
    )
    expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true)
    expect(JSON.stringify(outcomes.map((one) => String((one as PromiseRejectedResult).reason)))).toContain(
      'too many',
    )
    const opened = forward(client)
    await dial()
    await opened
  })

  test('a disabled account ends what it has open, on the gateway as well (SDS-12, T16)', async () => {
    const admin = await server.addPerson('admin')
    const person = await server.addPerson()
    const own = newSshPair()
    await server.ok('POST', '/api/ssh/keys', { token: person.token, body: { publicKey: own.line } })
    const client = await signIn(own.privateKey)
    const body = { isDisabled: true }
    await server.ok('PATCH', `/api/v1/accounts/${person.id}`, { token: admin.token, body })
    const disabledAt = Date.now()
    await closed(client)
    expect(Date.now() - disabledAt).toBeLessThan(2_500)
    await expect(signIn(own.privateKey)).rejects.toThrow('refused')
  })

  test('an agent that is cut off has its tunnels taken, though it takes no notice of being told', async () => {
    const box = await server.ok('POST', '/api/v1/workspaces', {
      token: owner.token,
      body: { name: 'cut off' },
    })
    const token = await server.addAgent(owner, box.id)
    const own = await TestAgent.connect(server.url, token)
    const opened = forward(await signIn(), box.id)
    const opening = await eventually(
      () => own.messages.map((text) => JSON.parse(text)).findLast(({ type }) => type === 'open'),
      (seen) => expect(seen).toBeDefined(),
    )
    const socket = await dialTunnel(opening, {}, token)
    const channel = await opened
    channel.resume()
    // As an agent that was tampered with: it reads nothing, and so never hears a goodbye.
    socket.pause()
    const end = once(channel, 'close')
    await server.ok('DELETE', `/api/v1/workspaces/${box.id}/agent`, { token: owner.token })
    const cutAt = Date.now()
    await end
    expect(Date.now() - cutAt).toBeLessThan(2_500)
    expect(await own.closed).toBe(4003)
  })

  test('a key that is removed ends what it may have opened inside, whichever key opened the way in', async () => {
    const person = await server.addPerson()
    const [outer, inner] = [newSshPair(), newSshPair()]
    for (const { line } of [outer, inner])
      await server.ok('POST', '/api/ssh/keys', { token: person.token, body: { publicKey: line } })
    await server.ok('POST', `/api/v1/workspaces/${workspace.id}/shares`, {
      token: owner.token,
      body: { email: person.email, level: 'admin' },
    })
    const client = await signIn(outer.privateKey)
    const opened = forward(client)
    await dial()
    const channel = await opened
    channel.resume()
    const end = once(channel, 'close')
    await server.ok('DELETE', '/api/ssh/keys', {
      token: person.token,
      body: { publicKeyFingerprint: fingerprintOf(inner.blob) },
    })
    await end
  })

  test('nobody with whom a workspace is shared takes the places of others, nor all of them the owner’s', async () => {
    const enter = async (isOwner: boolean, accountId: string) => {
      const one = { workspaceId: 'ws-places000000', epoch: 1, accountId, isOwner, keys: [] }
      let call: { tunnelId: string; token: string } | undefined
      const opening = tunnels.open(one, (asked) => {
        call = asked
      })
      if (call) tunnels.attach(one, call.tunnelId, call.token, { once: () => {}, terminate: () => {} })
      return opening.then(
        () => true,
        () => false,
      )
    }
    const tunnels = new Tunnels()
    const times = async (count: number, isOwner: boolean, accountId: string) => {
      let entered = 0
      for (let i = 0; i < count; i++) if (await enter(isOwner, accountId)) entered += 1
      return entered
    }
    expect(await times(20, false, 'eve')).toBe(16)
    expect(await times(20, false, 'mallory')).toBe(16)
    expect(await times(20, false, 'trudy')).toBe(16)
    expect(await times(20, false, 'late')).toBe(0)
    expect(await times(20, true, 'owner')).toBe(16)
  })

  test('a second factor that everybody has to have is asked for here too (T16)', async () => {
    const operator = { caller: { kind: 'operator' }, origin: { traceId: 'test' } } as never // `as`: as the CLI comes.
    const require = (requireSecondFactor: boolean) =>
      server.core.settings.update(operator, { requireSecondFactor })
    const inside = forward(await signIn())
    await dial()
    const channel = await inside
    await require(true)
    try {
      await once(channel.resume(), 'close')
      await expect(forward(await signIn())).rejects.toThrow(/second factor/)
    } finally {
      await require(false)
    }
    const { records } = await server.ok('GET', '/api/v1/audit?action=ssh.connect&limit=1', {
      token: owner.token,
    })
    expect(records[0]).toMatchObject({ outcome: 'refused', reason: 'second_factor.required' })
  })

  describe('sessions', () => {
    const begin = (body: object, token: string | undefined = credential) =>
      server.request('POST', '/api/v1/workspaces/current/sessions', { token, body })
    const shares = `/api/v1/workspaces`
    const share = (person: TestPerson, level: string) =>
      server.ok('POST', `${shares}/${workspace.id}/shares`, {
        token: owner.token,
        body: { email: person.email, level },
      })
    const change = (person: TestPerson, level: string) =>
      server.ok('PATCH', `${shares}/${workspace.id}/shares/${person.id}`, {
        token: owner.token,
        body: { level },
      })
    /** Somebody who has come in, and the pass that the agent got. */
    const admitted = async (level: string) => {
      const person = await server.addPerson()
      const own = newSshPair()
      const body = { publicKey: own.line }
      await server.ok('POST', '/api/ssh/keys', { token: person.token, body })
      await share(person, level)
      agent.messages.length = 0
      const client = await signIn(own.privateKey)
      const opened = forward(client)
      const opening = await eventually(
        () => agent.messages.map((text) => JSON.parse(text)).findLast(({ type }) => type === 'open'),
        (seen) => expect(seen).toBeDefined(),
      )
      await dial()
      await opened
      return { person, own, client, pass: opening.pass as string }
    }

    test('what a session gets is recorded as used by whoever came in, from their address; nothing of it is answered (SEC-26, SEC-40)', async () => {
      await server.ok('POST', `${shares}/${workspace.id}/secrets`, {
        token: owner.token,
        body: { name: 'TOKEN', type: 'token', value: 'value of a session' },
      })
      await server.ok('POST', '/api/v1/personal-secrets', {
        token: owner.token,
        body: { name: 'mine', type: 'token', value: 'personal value of a session', envName: 'MINE' },
      })
      const { person, pass } = await admitted('admin')
      const answer = await begin({ pass })
      expect(answer.status).toBe(201)
      expect(Object.keys(answer.body)).toEqual(['version', 'storeVariables'])
      expect(JSON.stringify(answer.body)).not.toContain('value of a session')
      const { version } = await server.ok('GET', '/api/v1/workspaces/current/delivery', { token: credential })
      expect(answer.body.version).toBe(version)
      const records = (await server.records(20)).filter(({ actor }) => actor.id === person.id)
      expect(records.map(({ action, target }) => `${action} ${target?.name}`)).toEqual(
        expect.arrayContaining(['workspace-secret.use TOKEN', 'personal-secret.use mine']),
      )
      for (const record of records.filter(({ action }) => action.endsWith('secret.use')))
        expect(record).toMatchObject({
          outcome: 'success',
          actor: { kind: 'person', name: person.name },
          workspace: workspace.id,
          address: '127.0.0.1',
        })
    })

    test('what comes of stores is recorded so too, as far as the workspace can have it, and is named in the answer', async () => {
      const admin = await server.addPerson('admin')
      const { id } = await server.ok('POST', '/api/v1/stores', {
        token: admin.token,
        body: {
          name: 'corp',
          kind: 'vault',
          address: 'https://vault.example.com',
          credential: 'x',
          paths: ['*'],
        },
      })
      await server.ok('POST', `/api/v1/workspaces/${workspace.id}/store-sources`, {
        token: owner.token,
        body: { storeId: id, path: 'a', variables: [{ name: 'DB_USER' }] },
      })
      const { person, pass } = await admitted('edit')
      const answer = await begin({ pass, storeVariables: ['DB_USER', 'OTHER', 'DB_USER'] })
      expect([answer.status, answer.body.storeVariables]).toEqual([201, ['DB_USER']])
      const records = (await server.records(20)).filter(({ action }) => action === 'store-secret.use')
      expect(records).toMatchObject([
        {
          outcome: 'success',
          actor: { kind: 'person', id: person.id },
          workspace: workspace.id,
          target: { kind: 'store-secret', name: 'DB_USER' },
          address: '127.0.0.1',
        },
      ])
      const tooMany = Array.from({ length: 1_501 }, (_, i) => `A${i}`)
      expect((await begin({ pass, storeVariables: tooMany })).status).toBe(400)
    })

    test('SEC-26, SEC-40: what is used in a session is recorded under the name of its person, once, as long as they are in', async () => {
      await server.ok('POST', `${shares}/${workspace.id}/secrets`, {
        token: owner.token,
        body: { name: 'USED', type: 'token', value: 'value of a program' },
      })
      const { person, client, pass } = await admitted('edit')
      const stranger = await server.addPerson()
      const box = await server.ok('POST', shares, { token: stranger.token, body: { name: 'box' } })
      const theirs = await server.addAgent(stranger, box.id)
      const uses = [{ name: 'USED', kind: 'read', program: 'node', file: 'app.js', line: 12 }]
      const report = async (run: string, body: object, token = credential) => {
        const path = '/api/v1/workspaces/current/uses'
        const answer = await server.request('POST', path, { token, body: { run, uses, ...body } })
        expect(answer.status).toBe(200)
        return (await server.records(50)).filter(({ use }) => use?.run === run)
      }
      const ofPerson = {
        ...{ action: 'workspace-secret.use', actor: { kind: 'person', id: person.id, name: person.name } },
        ...{ workspace: workspace.id, target: { name: 'USED' }, address: '127.0.0.1' },
      }
      const ofWorkspace = { ...ofPerson, actor: { kind: 'workspace', id: workspace.id } }
      expect(await report('run-of-person', { pass })).toMatchObject([ofPerson])
      expect(await report('run-of-person', { pass })).toHaveLength(1)
      expect(await report('run-of-nobody', {})).toMatchObject([ofWorkspace])
      expect(await report('run-forged', { pass: pass.slice(4) })).toMatchObject([ofWorkspace])
      expect(await report('run-elsewhere', { pass }, theirs)).toEqual([])
      client.end()
      await eventually(
        async () => (await begin({ pass })).status,
        (status) => expect(status).toBe(403),
      )
      expect(await report('run-that-came-late', { pass })).toMatchObject([ofWorkspace])
    })

    test('what a workspace says somebody has had is recorded once for each way in and version, as its word, with the trace of their coming in (SEC-26)', async () => {
      const { person, client, pass } = await admitted('admin')
      const used = async () =>
        (await server.records(100)).filter(
          ({ action, actor }) => action === 'workspace-secret.use' && actor.id === person.id,
        )
      await server.ok('POST', `${shares}/${workspace.id}/secrets`, {
        token: owner.token,
        body: { name: 'ONCE', type: 'token', value: 'once for a version' },
      })
      const answers = await Promise.all([1, 2, 3].map(() => begin({ pass })))
      expect(answers.map(({ status }) => status)).toEqual([201, 201, 201])
      expect(answers[2]!.body).toEqual(answers[0]!.body)
      const first = await used()
      expect(first.filter(({ target }) => target?.name === 'ONCE')).toHaveLength(1)
      const came = (await server.records(100)).find(
        ({ action, actor }) => action === 'ssh.connect' && actor.id === person.id,
      )!
      expect(came.actor.saidBy).toBeUndefined()
      for (const { actor, traceId } of first)
        expect([actor.saidBy, traceId]).toEqual([expect.stringMatching(/^agt_/), came.traceId])
      await server.ok('POST', `${shares}/${workspace.id}/secrets`, {
        token: owner.token,
        body: { name: 'NEXT', type: 'token', value: 'of the next version' },
      })
      expect((await begin({ pass })).status).toBe(201)
      expect(await used()).toHaveLength(2 * first.length + 1)
      client.end()
      await eventually(
        async () => (await begin({ pass })).body.code,
        (code) => expect(code).toBe('agent.pass_invalid'),
      )
      expect(await used()).toHaveLength(2 * first.length + 1)
    })

    test('a pass is good for the agent that got it, and as long as its person may be there as what they came in', async () => {
      const stranger = await server.addPerson()
      const box = await server.ok('POST', shares, { token: stranger.token, body: { name: 'box' } })
      const theirs = await server.addAgent(stranger, box.id)
      const { person, own, pass } = await admitted('admin')
      const refused = async (one: string, token?: string) => {
        const answer = await begin({ pass: one }, token)
        expect([answer.status, answer.body.code]).toEqual([403, 'agent.pass_invalid'])
        return answer
      }
      expect((await begin({ pass })).status).toBe(201)
      await refused(pass, theirs)
      const cut = pass.slice(0, -2)
      for (const forged of ['x', cut, `${cut}AA`, pass.slice(4), 'x'.repeat(2048)]) await refused(forged)
      await change(person, 'view')
      const answer = await refused(pass)
      const record = (await server.records(10)).find(({ traceId }) => traceId === answer.body.traceId)
      expect(record).toMatchObject({
        action: 'agent.deliver',
        outcome: 'refused',
        actor: { kind: 'workspace', id: workspace.id },
      })
      await change(person, 'admin')
      agent.messages.length = 0
      const again = forward(await signIn(own.privateKey))
      const opening = await eventually(
        () => agent.messages.map((text) => JSON.parse(text)).findLast(({ type }) => type === 'open'),
        (seen) => expect(seen).toBeDefined(),
      )
      // Also before the agent lets them in: it has some of it recorded first.
      expect((await begin({ pass: opening.pass })).status).toBe(201)
      await dial()
      await again
      await server.ok('DELETE', '/api/ssh/keys', {
        token: person.token,
        body: { publicKeyFingerprint: fingerprintOf(own.blob) },
      })
      await refused(opening.pass)
      for (const wrong of [{}, { pass: 7 }, { pass: '' }, { pass, more: 1 }])
        expect((await begin(wrong)).status).toBe(400)
      expect((await server.request('POST', '/api/v1/workspaces/current/sessions', { body: {} })).status).toBe(
        401,
      )
    })
  })

  describe('certificates of host keys', () => {
    const certify = (publicKey: string, token = credential) =>
      server.request('POST', '/api/v1/workspaces/current/host-certificate', { token, body: { publicKey } })

    test('say which workspace has the key, for a day, in a form that ssh-keygen reads (T11)', async () => {
      const answer = await certify(newSshKey('').line)
      expect(answer.status).toBe(201)
      const folder = mkdtempSync(join(tmpdir(), 'keyhold-cert-'))
      onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
      const path = join(folder, 'cert.pub')
      writeFileSync(path, `${answer.body.certificate}\n`)
      const shown = execFileSync('ssh-keygen', ['-Lf', path]).toString()
      expect(shown).toContain('Type: ssh-ed25519-cert-v01@openssh.com host certificate')
      expect(shown).toMatch(new RegExp(`Principals: \\n\\s+${workspace.id}\\n`))
      const { certificateAuthority } = await server.ok('GET', '/api/v1/ssh', { token: owner.token })
      writeFileSync(path, certificateAuthority)
      const fingerprint = execFileSync('ssh-keygen', ['-lf', path]).toString().split(' ')[1]!
      expect(shown).toContain(`Signing CA: ED25519 ${fingerprint}`)
    })

    test('are not given for another key than the first one; that is recorded (T18)', async () => {
      const again = await certify(newSshKey('').line)
      expect([again.status, again.body.code]).toEqual([409, 'agent.host_key_changed'])
      const record = (await server.records(10)).find(({ traceId }) => traceId === again.body.traceId)
      expect(record).toMatchObject({ action: 'agent.certify', outcome: 'failed', workspace: workspace.id })
      for (const line of [
        '',
        'ssh-rsa AAAA',
        newSshKey('comment').line,
        `${newSshKey('').line.slice(0, -4)}AAAA=`,
      ])
        expect([line, (await certify(line)).status]).toEqual([line, 400])
    })
  })
})

/** Offers one key without a signature, and then signs with another: what ssh2's client does not do by itself. */
function probeThen(line: string, privateKey: string): ssh2.AuthHandlerMiddleware {
  let turn = 0
  const [type = '', key = ''] = line.split(' ')
  return (_left, _partial, next) => {
    turn += 1
    if (turn > 1) return next({ type: 'publickey', username: 'x', key: privateKey })
    // An agent that has the key but gives it up when it has to sign.
    const agent = {
      getIdentities: (done: (error: null, keys: unknown[]) => void) =>
        done(null, [ssh2.utils.parseKey(`${type} ${key}`)]),
      sign: (_key: unknown, _data: unknown, _options: unknown, done: (error: Error) => void) =>
        done(new Error('not mine')),
    }
    next({ type: 'agent', username: 'x', agent: Object.setPrototypeOf(agent, ssh2.BaseAgent.prototype) })
  }
}

describe('proofs', () => {
  const signed = Buffer.from('what is signed')
  const ed25519 = generateKeyPairSync('ed25519')
  const blobOf = (key: KeyObject, type: string, ...more: string[]) =>
    sshStrings(type, Buffer.from(key.export({ format: 'jwk' }).x!, 'base64url'), ...more)
  const sha256 = (data: Buffer) => createHash('sha256').update(data).digest()
  const touched = (flags: number, app = 'ssh:') => {
    const tail = Buffer.from([flags, 0, 0, 0, 7])
    const inner = sign(
      null,
      Buffer.concat([sha256(Buffer.from(app)), tail, sha256(signed)]),
      ed25519.privateKey,
    )
    return Buffer.concat([inner, tail])
  }
  const sk = 'sk-ssh-ed25519@openssh.com'
  const proof = (over: object = {}) => ({
    type: 'ssh-ed25519',
    hash: undefined,
    key: blobOf(ed25519.publicKey, 'ssh-ed25519'),
    signed,
    signature: sign(null, signed, ed25519.privateKey),
    ...over,
  })

  test('a right one is right; another text, another key, or a bit less is wrong', () => {
    expect(isProven(proof())).toBe(true)
    expect(isProven(proof({ signed: Buffer.from('something else') }))).toBe(false)
    expect(isProven(proof({ key: newSshKey().blob }))).toBe(false)
    expect(isProven(proof({ signature: Buffer.alloc(64) }))).toBe(false)
    for (const key of [Buffer.alloc(0), Buffer.alloc(16), sshStrings('ssh-ed25519', Buffer.alloc(31))])
      expect(isProven(proof({ key }))).toBe(false)
  })

  test('a key is never taken for one of another type (T10, T12)', () => {
    for (const type of [
      'ssh-rsa',
      'ssh-dss',
      sk,
      'ssh-ed25519-cert-v01@openssh.com',
      'ecdsa-sha2-nistp256',
      '',
    ])
      expect([type, isProven(proof({ type }))]).toEqual([type, false])
  })

  test('RSA signs with SHA-2 or not at all (S9)', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const { n = '', e = '' } = rsa.publicKey.export({ format: 'jwk' })
    const modulus = Buffer.concat([Buffer.alloc(1), Buffer.from(n, 'base64url')])
    const key = sshStrings('ssh-rsa', Buffer.from(e, 'base64url'), modulus)
    const of = (hash: string | undefined) =>
      isProven(proof({ type: 'ssh-rsa', key, hash, signature: sign(hash ?? 'sha1', signed, rsa.privateKey) }))
    expect(['sha256', 'sha512', 'sha1', undefined].map(of)).toEqual([true, true, false, false])
  })

  test('a security key counts when somebody touched it, for its application', () => {
    const key = blobOf(ed25519.publicKey, sk, 'ssh:')
    expect(isProven(proof({ type: sk, key, signature: touched(1) }))).toBe(true)
    expect(isProven(proof({ type: sk, key, signature: touched(5) }))).toBe(true)
    expect(isProven(proof({ type: sk, key, signature: touched(0) }))).toBe(false)
    expect(isProven(proof({ type: sk, key, signature: touched(1, 'https://elsewhere') }))).toBe(false)
    expect(isProven(proof({ type: sk, key, signature: touched(1).subarray(0, 64) }))).toBe(false)
    expect(isProven(proof({ type: sk, key, signature: Buffer.concat([touched(1), Buffer.alloc(1)]) }))).toBe(
      false,
    )
  })
})
