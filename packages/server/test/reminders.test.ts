import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pino } from 'pino'
import { SMTPServer } from 'smtp-server'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { composeCore } from '../src/compose/core.ts'
import { composeServer } from '../src/compose/server.ts'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const PATH = '/api/v1/reminder-webhook'

/** A mail server that keeps what it gets, and can refuse. */
class MailServer {
  readonly messages: { to: string; text: string }[] = []
  isRefusing = false
  readonly #server = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    onData: (stream, session, done) => {
      let text = ''
      stream.on('data', (chunk: Buffer) => {
        text += chunk
      })
      stream.on('end', () => {
        if (this.isRefusing) return done(Object.assign(new Error('mailbox full'), { responseCode: 452 }))
        // Quoted-printable breaks lines where it likes (RFC 2045 §6.7).
        const lines = text.replaceAll(/=\r?\n/g, '')
        this.messages.push({ to: session.envelope.rcptTo[0]!.address, text: lines })
        done()
      })
    },
  })

  async listen(): Promise<string> {
    const listening = this.#server.listen(0, '127.0.0.1')
    await once(listening, 'listening')
    return `smtp://127.0.0.1:${(listening.address() as AddressInfo).port}`
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }
}

/** Somebody's own program that takes reminders, and can fail. */
class Receiver {
  readonly messages: { headers: IncomingHttpHeaders; body: string }[] = []
  status = 204
  /** Awaited before it answers. */
  beforeAnswer: () => Promise<void> = async () => {}
  readonly #server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    this.messages.push({ headers: request.headers, body })
    await this.beforeAnswer()
    response.writeHead(this.status, { location: '/elsewhere' }).end()
  })

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hook`
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

describe.each(databases)('reminders on %s', (database) => {
  const mail = new MailServer()
  const receiver = new Receiver()
  let hook: string
  let env: Record<string, string>
  let server: TestServer
  let stop: () => Promise<void>
  let person: TestPerson

  beforeAll(async () => {
    hook = await receiver.listen()
    env = {
      KEYHOLD_SMTP_URL: await mail.listen(),
      KEYHOLD_MAIL_FROM: 'Keyhold <keyhold@example.com>',
      KEYHOLD_OUTGOING_ALLOW: '127.0.0.0/8',
    }
    ;({ server, stop } = await startServer(database, env))
  })
  afterAll(async () => {
    await stop()
    await mail.close()
    receiver.close()
  })
  beforeEach(async () => {
    person = await server.addPerson()
    mail.messages.length = 0
    mail.isRefusing = false
    receiver.messages.length = 0
    receiver.status = 204
  })

  const later = (days: number) => new Date(server.clock.now().getTime() + days * DAY_MS).toISOString()
  const addToken = (name: string, days: number | null) =>
    server.ok('POST', '/api/v1/access-tokens', {
      token: person.token,
      body: { name, expiresAt: days === null ? null : later(days) },
    })
  const setHook = async (): Promise<Buffer> => {
    const { secret } = await server.ok('PUT', PATH, { token: person.token, body: { url: hook } })
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
    return Buffer.from(secret.slice('whsec_'.length), 'base64')
  }
  const mails = () => mail.messages.filter(({ to }) => to === person.email)
  const nextRun = async (ms = HOUR_MS + 1000) => {
    server.clock.advance(ms)
    await server.server.schedule.runDue()
  }

  test('SEC-29: a secret of a project that is due by its own period is told once, without its value', async () => {
    const project = await server.addProject(person)
    await server.ok('POST', `/api/v1/projects/${project.id}/secrets`, {
      token: person.token,
      body: { name: 'STRIPE_KEY', type: 'token', value: 'canary', rotationDays: 3, note: 'the note' },
    })
    await nextRun(4 * DAY_MS)
    await nextRun()
    expect(mails()).toHaveLength(1)
    expect(mails()[0]!.text).toContain('secret "STRIPE_KEY"')
    expect(mails()[0]!.text).not.toMatch(/canary|the note/)
    await server.ok('DELETE', `/api/v1/projects/${project.id}?confirm=${encodeURIComponent(project.name)}`, {
      token: person.token,
    })
  })

  test('SDS-10: what expires within 14 days is told once, by mail and by webhook', async () => {
    const key = await setHook()
    await addToken('laptop', 13)
    await addToken('far away', 60)
    await nextRun()
    await nextRun()
    expect(mails()).toHaveLength(1)
    expect(mails()[0]!.text).toContain('access token "laptop"')
    expect(mails()[0]!.text).not.toContain('far away')
    expect(mails()[0]!.text).toMatch(/^Subject: Keyhold: a credential needs your attention/m)

    expect(receiver.messages).toHaveLength(1)
    const { headers, body } = receiver.messages[0]!
    expect(JSON.parse(body)).toMatchObject({
      type: 'credentials.reminder',
      data: { account: { id: person.id }, reminders: [{ name: 'laptop', reason: 'expires' }] },
    })
    const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`
    expect(headers['webhook-signature']).toBe(
      `v1,${createHmac('sha256', key).update(signed).digest('base64')}`,
    )
  })

  test('SEC-29: what is due for rotation is told once; a new value makes a new date', async () => {
    const project = await server.addProject(person)
    const key = await server.addKey(person, project.id)
    await nextRun(91 * DAY_MS)
    const texts = () =>
      mails()
        .map(({ text }) => text)
        .join()
    expect(texts()).toContain(key.id)
    expect(texts()).toContain('due for rotation')
    mail.messages.length = 0
    await nextRun()
    expect(mails()).toEqual([])
    await server.ok('POST', `/api/v1/projects/${project.id}/access-keys/${key.id}/regenerate`, {
      token: person.token,
    })
    await nextRun(91 * DAY_MS)
    expect(texts()).toContain(key.id)
  })

  test('what could not be sent is sent the next time, by each way for itself', async () => {
    await setHook()
    await addToken('laptop', 5)
    mail.isRefusing = true
    receiver.status = 302
    await nextRun()
    expect(mails()).toEqual([])
    expect(receiver.messages).toHaveLength(1)
    const { webhook } = await server.ok('GET', PATH, { token: person.token })
    expect(webhook).toMatchObject({ url: hook, lastFailure: 'answered 302' })

    receiver.status = 200
    await nextRun()
    expect(mails()).toEqual([])
    expect(receiver.messages).toHaveLength(2)
    // The same message has the same id, so that a receiver can tell a repetition.
    expect(new Set(receiver.messages.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
    mail.isRefusing = false
    await nextRun()
    await nextRun()
    expect(mails()).toHaveLength(1)
    expect(receiver.messages).toHaveLength(2)
  })

  test('a disabled person is told nothing', async () => {
    await addToken('laptop', 5)
    const admin = await server.addPerson('admin')
    await server.ok('PATCH', `/api/v1/accounts/${person.id}`, {
      token: admin.token,
      body: { isDisabled: true },
    })
    await nextRun()
    expect(mails()).toEqual([])
  })

  test('a server that stops tells nobody more, whoever waits', async () => {
    const own = await startServer(database, env)
    const url = hook
    const expiresAt = new Date(own.server.clock.now().getTime() + 5 * DAY_MS).toISOString()
    for (let i = 0; i < 3; i++) {
      const { token } = await own.server.addPerson()
      await own.server.ok('PUT', PATH, { token, body: { url } })
      const body = { name: 'laptop', expiresAt }
      await own.server.ok('POST', '/api/v1/access-tokens', { token, body })
    }
    const held = Promise.withResolvers<void>()
    const asked = Promise.withResolvers<void>()
    receiver.beforeAnswer = () => {
      asked.resolve()
      return held.promise
    }
    onTestFinished(() => {
      receiver.beforeAnswer = async () => {}
    })
    const running = own.server.server.schedule.runDue()
    await asked.promise
    const stopped = own.stop()
    held.resolve()
    await Promise.all([running, stopped])
    expect(receiver.messages).toHaveLength(1)
  })

  test('two servers with one database tell once', async () => {
    if (database === 'sqlite') return // One server only; see storage.test.ts.
    const core = await composeCore(server.config, server.clock)
    const second = await composeServer(server.config, core, pino({ level: 'silent' }), server.clock)
    onTestFinished(() => second.close())
    await addToken('laptop', 5)
    server.clock.advance(HOUR_MS + 1000)
    await Promise.all([server.server.schedule.runDue(), second.schedule.runDue()])
    expect(mails()).toHaveLength(1)
  })

  test('a server that died in the middle keeps the job from the others for two minutes, no longer', async () => {
    await addToken('laptop', 5)
    server.clock.advance(2 * HOUR_MS)
    const now = server.clock.now().getTime()
    await server.core.storage.transaction((tx) =>
      tx
        .insertInto('jobs')
        .values({ name: 'reminders', started_at: now - HOUR_MS, lease_until: now + 120_000 })
        .onConflict((conflict) =>
          conflict.column('name').doUpdateSet({ started_at: now - HOUR_MS, lease_until: now + 120_000 }),
        )
        .execute(),
    )
    await nextRun(0)
    expect(mails()).toEqual([])
    await nextRun(121_000)
    expect(mails()).toHaveLength(1)
  })

  describe('the webhook', () => {
    test('a test message arrives signed; so many in a minute and no more', async () => {
      await setHook()
      const attempt = () => server.request('POST', `${PATH}/test`, { token: person.token })
      expect((await attempt()).body).toEqual({ isDelivered: true, failure: null })
      expect(JSON.parse(receiver.messages[0]!.body).type).toBe('credentials.test')
      receiver.status = 500
      expect((await attempt()).body).toEqual({ isDelivered: false, failure: 'answered 500' })
      for (let i = 0; i < 3; i++) await attempt()
      const refused = await attempt()
      expect(refused.status).toBe(429)
      expect(refused.headers.get('retry-after')).toMatch(/^\d+$/)
      expect(receiver.messages).toHaveLength(5)
    })

    test('setting it again makes another secret, removing it ends it, a second time is 404', async () => {
      const first = await setHook()
      expect(await setHook()).not.toEqual(first)
      const remove = () => server.request('DELETE', PATH, { token: person.token })
      expect((await remove()).status).toBe(204)
      expect((await remove()).body.code).toBe('reminder_webhook.not_found')
      expect((await server.ok('GET', PATH, { token: person.token })).webhook).toBeNull()
      const actions = (await server.records()).filter(({ actor }) => actor.id === person.id)
      expect(actions.map(({ action, outcome }) => `${action} ${outcome}`)).toEqual(
        expect.arrayContaining([
          'reminder-webhook.update success',
          'reminder-webhook.delete success',
          'reminder-webhook.delete failed',
        ]),
      )
    })

    test.each([
      'ftp://example.com/',
      'https://user:s3cr3t@example.com/',
      'not an address',
      'https://example.com/#x',
    ])('400 for %s', async (url) => {
      const answer = await server.request('PUT', PATH, { token: person.token, body: { url } })
      expect(answer.status).toBe(400)
      expect(answer.body.errors[0].field).toBe('url')
      expect(answer.text).not.toContain('s3cr3t')
    })

    test('reaches neither this machine nor its network unless the operator allows it', async () => {
      const guarded = await startServer(database)
      onTestFinished(guarded.stop)
      const somebody = await guarded.server.addPerson()
      for (const url of [
        hook,
        'https://169.254.169.254/latest/meta-data/',
        'https://10.0.0.1/',
        'https://localhost/',
      ]) {
        await guarded.server.ok('PUT', PATH, { token: somebody.token, body: { url } })
        guarded.server.clock.advance(61_000)
        const { isDelivered } = await guarded.server.ok('POST', `${PATH}/test`, { token: somebody.token })
        expect(isDelivered).toBe(false)
      }
      expect(receiver.messages).toEqual([])
    })
  })
})
