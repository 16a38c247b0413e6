import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { SMTPServer } from 'smtp-server'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { databases, startServer, type TestPerson, type TestServer } from './kit.ts'

const DAY_MS = 86_400_000
const PATH = '/api/v1/invitations'
const PASSWORD = 'a password of somebody new'

/** A mail server that keeps what it gets, and can refuse. */
async function startMail(): Promise<{ url: string; texts: string[]; refuse: (isRefusing: boolean) => void }> {
  const texts: string[] = []
  let isRefusing = false
  const server = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    onData: (stream, _session, done) => {
      let text = ''
      stream.on('data', (chunk: Buffer) => {
        text += chunk
      })
      stream.on('end', () => {
        if (isRefusing) return done(Object.assign(new Error('mailbox full'), { responseCode: 452 }))
        texts.push(text.replaceAll(/=\r?\n/g, '').replaceAll('=3D', '='))
        done()
      })
    },
  })
  const listening = server.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())))
  return {
    url: `smtp://127.0.0.1:${(listening.address() as AddressInfo).port}`, // `as`: it listens on TCP.
    texts,
    refuse: (is) => {
      isRefusing = is
    },
  }
}

let addresses = 0
const newAddress = () => `guest${++addresses}@example.com`
const tokenOf = (link: string) => link.split('#token=')[1]!

describe.each(databases)('invitations on %s', (database) => {
  let server: TestServer
  let stop: () => Promise<void>
  let admin: TestPerson

  beforeAll(async () => {
    ;({ server, stop } = await startServer(database))
    admin = await server.addPerson('admin')
  })
  afterAll(() => stop())

  const invite = async (body: object = {}, token = admin.token) =>
    server.ok('POST', PATH, { token, body: { email: newAddress(), ...body } })
  const find = (link: string) => server.request('POST', `${PATH}/find`, { body: { token: tokenOf(link) } })
  const accept = (link: string, body: object = {}) =>
    server.request('POST', `${PATH}/accept`, {
      body: { token: tokenOf(link), name: 'Guest', password: PASSWORD, ...body },
    })
  const codeOf = async (answer: Promise<{ body: { code?: string } }>) => (await answer).body.code
  const stateOf = async (id: string) =>
    (await server.ok('GET', PATH, { token: admin.token })).invitations.find(
      (one: { id: string }) => one.id === id,
    )

  test('a link is answered once, invites by what is after the #, and makes an account with role and memberships', async () => {
    const project = await server.addProject(admin)
    const { invitation, link } = await invite({
      role: 'admin',
      projects: [{ projectId: project.id, role: 'read_only' }],
    })
    expect(link).toMatch(/^http:\/\/localhost:8080\/invite#token=kh_inv_\w{49}$/)
    expect(invitation).toMatchObject({ status: 'open', mailedAt: null, invitedBy: admin.name })
    expect(Date.parse(invitation.expiresAt) - Date.parse(invitation.createdAt)).toBe(7 * DAY_MS)
    expect((await find(link)).body).toEqual({
      email: invitation.email,
      role: 'admin',
      invitedBy: admin.name,
      expiresAt: invitation.expiresAt,
    })

    const accepted = await accept(link, { accessTokenName: 'laptop' })
    expect(accepted.status).toBe(201)
    expect(accepted.body.account).toMatchObject({
      email: invitation.email,
      name: 'Guest',
      role: 'admin',
      mustChangePassword: false,
    })
    const token = accepted.body.accessToken
    const { projects } = await server.ok('GET', '/api/v1/projects', { token })
    expect(projects).toMatchObject([{ id: project.id, role: 'read_only' }])
    const session = { email: invitation.email.toUpperCase(), password: PASSWORD }
    expect((await server.request('POST', '/api/v1/session', { body: session })).status).toBe(201)

    expect(await stateOf(invitation.id)).toMatchObject({ status: 'accepted' })
    const records = await server.records(10)
    const account = accepted.body.account
    expect(records.find(({ target }) => target?.kind === 'member')).toMatchObject({
      action: 'invitation.accept',
      project: { id: project.id },
      actor: { id: account.id },
    })
    expect(
      records.filter(({ action }) => action.startsWith('invitation.')).map(({ action }) => action),
    ).toEqual(['invitation.accept', 'invitation.accept', 'invitation.create'])
  })

  test('50 who accept at once make exactly one account (S1)', { timeout: 120_000 }, async () => {
    const { invitation, link } = await invite()
    const answers = await Promise.all(Array.from({ length: 50 }, () => accept(link)))
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
    const others = new Set(answers.filter(({ status }) => status !== 201).map(({ body }) => body.code))
    expect(
      [...others].filter((code) => code !== 'invitation.link_invalid' && code !== 'rate.limited'),
    ).toEqual([])
    const { accounts } = await server.ok('GET', '/api/v1/accounts', { token: admin.token })
    expect(accounts.filter(({ email }: { email: string }) => email === invitation.email)).toHaveLength(1)
    expect(await codeOf(accept(link))).toBe('invitation.link_invalid')
  })

  test('looking uses nothing up, and GET and HEAD have nothing to use (S1)', async () => {
    const { link } = await invite()
    for (let i = 0; i < 3; i++) expect((await find(link)).status).toBe(200)
    for (const method of ['GET', 'HEAD'])
      for (const path of ['/invite', `${PATH}/accept`, `${PATH}/find`])
        await (await fetch(`${server.url}${path}?token=${tokenOf(link)}`, { method })).text()
    expect((await accept(link)).status).toBe(201)
  })

  test('an end, taking back and sending again stop a link, with one answer', async () => {
    const wrong = ['kh_inv_0', 'x', 'kh_inv_'.padEnd(56, '0')]
    const ended = await invite({ expiresAt: new Date(server.clock.now().getTime() + DAY_MS).toISOString() })
    const revoked = await invite()
    const renewed = await invite()
    const path = (made: { invitation: { id: string } }) => `${PATH}/${made.invitation.id}`
    await server.ok('DELETE', path(revoked), { token: admin.token })
    server.clock.advance(DAY_MS)
    const again = await server.ok('POST', `${path(renewed)}/renew`, { token: admin.token })
    const links = [ended.link, revoked.link, renewed.link, ...wrong.map((token) => `#token=${token}`)]
    const bodies = await Promise.all(links.flatMap((link) => [find(link), accept(link)]))
    const shown = bodies.map(({ status, body }) => JSON.stringify({ ...body, status, traceId: '' }))
    expect(new Set(shown).size).toBe(1)
    expect(bodies[0]!.body).toMatchObject({ status: 404, code: 'invitation.link_invalid' })
    expect((await stateOf(ended.invitation.id)).status).toBe('expired')
    expect((await accept(again.link)).status).toBe(201)
    for (const one of [revoked, again])
      for (const [method, end] of [
        ['DELETE', ''],
        ['POST', '/renew'],
      ] as const)
        expect(await codeOf(server.request(method, path(one) + end, { token: admin.token }))).toBe(
          'invitation.not_found',
        )
    // An invitation that has ended is sent again too.
    expect(
      (await accept((await server.ok('POST', `${path(ended)}/renew`, { token: admin.token })).link)).status,
    ).toBe(201)
  })

  test('one open invitation and one account for each address, however it is written', async () => {
    const { invitation, link } = await invite({ email: 'Someone.New@Example.com' })
    const again = (email: string) => server.request('POST', PATH, { token: admin.token, body: { email } })
    expect(await codeOf(again('someone.new@example.COM'))).toBe('invitation.exists')
    expect(await codeOf(again(admin.email.toUpperCase()))).toBe('account.email_taken')
    // The account comes by another way meanwhile.
    await server.ok('POST', '/api/v1/accounts', {
      token: admin.token,
      body: { email: 'someone.new@example.com', name: 'Other' },
    })
    expect(await codeOf(accept(link))).toBe('account.email_taken')
    expect((await stateOf(invitation.id)).status).toBe('open')
    const races = await Promise.all(Array.from({ length: 8 }, () => again('race@example.com')))
    expect(races.filter(({ status }) => status === 201)).toHaveLength(1)
    server.clock.advance(8 * DAY_MS)
    expect((await again('RACE@example.com')).status).toBe(201)
  })

  test('only administrators invite, see and take back; into projects only their Admins, with a token that may', async () => {
    const member = await server.addPerson()
    const { invitation } = await invite()
    for (const [method, path] of [
      ['GET', PATH],
      ['POST', PATH],
      ['POST', `${PATH}/${invitation.id}/renew`],
      ['DELETE', `${PATH}/${invitation.id}`],
    ] as const) {
      const body = path === PATH && method === 'POST' ? { email: newAddress() } : undefined
      const answer = await server.request(method, path, { token: member.token, ...(body && { body }) })
      expect([method, path, answer.body.code]).toEqual([method, path, 'access.refused'])
      expect((await server.records(1))[0]).toMatchObject({ outcome: 'refused', actor: { id: member.id } })
    }
    const foreign = await server.addProject(member)
    const own = await server.addProject(admin)
    const into = (projectId: string, token = admin.token) =>
      codeOf(
        server.request('POST', PATH, {
          token,
          body: { email: newAddress(), projects: [{ projectId, role: 'admin' }] },
        }),
      )
    expect(await into(foreign.id)).toBe('project.not_found')
    const limited = await server.ok('POST', '/api/v1/access-tokens', {
      token: admin.token,
      body: { name: 'people', scopes: ['accounts:write'] },
    })
    expect(await into(own.id, limited.token)).toBe('access.scope_missing')
    await server.addMember(member, foreign.id, admin, 'regular')
    expect(await into(foreign.id)).toBe('access.refused')
    expect(await into(own.id)).toBeUndefined()
  })

  test('who invites answers for it until it is accepted: shut out, demoted, or no Admin any more', async () => {
    const second = await server.addPerson('admin')
    const project = await server.addProject(second)
    await server.addMember(second, project.id, admin, 'admin')
    const projects = [{ projectId: project.id, role: 'regular' }]
    const one = await invite({ projects }, second.token)
    const two = await invite({}, second.token)
    await server.ok('PATCH', `/api/v1/projects/${project.id}/members/${second.id}`, {
      token: admin.token,
      body: { role: 'regular' },
    })
    const accepted = await accept(one.link, { accessTokenName: 'x' })
    const mine = await server.ok('GET', '/api/v1/projects', { token: accepted.body.accessToken })
    expect(mine.projects).toEqual([])
    const change = (body: object) =>
      server.ok('PATCH', `/api/v1/accounts/${second.id}`, { token: admin.token, body })
    await change({ role: 'member' })
    expect(await codeOf(accept(two.link))).toBe('invitation.link_invalid')
    await change({ role: 'admin', isDisabled: true })
    expect(await codeOf(accept(two.link))).toBe('invitation.link_invalid')
    // Another administrator takes it over by sending it again.
    const { link } = await server.ok('POST', `${PATH}/${two.invitation.id}/renew`, { token: admin.token })
    expect((await accept(link)).status).toBe(201)
  })

  test('a project that is gone meanwhile is left out', async () => {
    const project = await server.addProject(admin)
    const { link } = await invite({ projects: [{ projectId: project.id, role: 'admin' }] })
    await server.ok('DELETE', `/api/v1/projects/${project.id}?confirm=${encodeURIComponent(project.name)}`, {
      token: admin.token,
    })
    expect((await accept(link)).status).toBe(201)
  })

  test('a session needs a fresh password to invite', async () => {
    const cookie = await server.signIn(admin)
    server.clock.advance(11 * 60_000)
    const answer = await server.request('POST', PATH, { headers: { cookie }, body: { email: newAddress() } })
    expect(answer.body.code).toBe('session.reauthentication_required')
  })

  test('400 for what is no invitation, and for a password that signing in would not take', async () => {
    const { link } = await invite()
    const later = (days: number) => new Date(server.clock.now().getTime() + days * DAY_MS).toISOString()
    const project = await server.addProject(admin)
    const twice = { projectId: project.id, role: 'admin' }
    for (const [body, field] of [
      [{}, 'email'],
      [{ email: 'nobody' }, 'email'],
      [{ email: newAddress(), role: 'owner' }, 'role'],
      [{ email: newAddress(), expiresAt: later(-1) }, 'expiresAt'],
      [{ email: newAddress(), expiresAt: later(31) }, 'expiresAt'],
      [{ email: newAddress(), projects: [twice, twice] }, 'projects'],
    ] as const) {
      const answer = await server.request('POST', PATH, { token: admin.token, body })
      expect([body, answer.body.errors?.[0]?.field]).toEqual([body, field])
    }
    for (const [body, field] of [
      [{ password: 'short' }, 'password'],
      [{ name: ' ' }, 'name'],
    ] as const)
      expect((await accept(link, body)).body.errors?.[0]?.field).toBe(field)
    expect((await accept(link)).status).toBe(201)
  })

  test('no link, token or password is in the database or the log', async () => {
    const { link } = await invite()
    await accept(link, { password: 'short' })
    await accept(link)
    const text = `${await server.dump()}${server.log.join('\n')}`
    for (const one of [tokenOf(link), PASSWORD]) expect(text).not.toContain(one)
  })

  test('with a mail server the link goes to the person and to nobody else; when it refuses, to who invites', async () => {
    const mail = await startMail()
    const env = { KEYHOLD_SMTP_URL: mail.url, KEYHOLD_MAIL_FROM: 'Keyhold <keyhold@example.com>' }
    const other = await startServer(database, env)
    onTestFinished(other.stop)
    const boss = await other.server.addPerson('admin')
    const send = () =>
      other.server.ok('POST', PATH, { token: boss.token, body: { email: 'mailed@example.com' } })
    const made = await send()
    expect(made).toMatchObject({ link: null, invitation: { mailedAt: expect.any(String) } })
    const [text = ''] = mail.texts
    expect(text).toContain('To: mailed@example.com')
    expect(text).toContain(`${boss.name} invites you to Keyhold`)
    const token = /#token=(kh_inv_\w{49})\s/.exec(text)?.[1]
    const found = await other.server.ok('POST', `${PATH}/find`, { body: { token } })
    expect(found.email).toBe('mailed@example.com')

    mail.refuse(true)
    const path = `${PATH}/${made.invitation.id}/renew`
    const again = await other.server.ok('POST', path, { token: boss.token })
    expect(again).toMatchObject({ link: expect.stringContaining('#token='), invitation: { mailedAt: null } })
  })
})
