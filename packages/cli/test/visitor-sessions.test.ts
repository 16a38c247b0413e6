// What somebody who comes in by SSH gets of outside stores: what the server wrote down, and blanks for all of it.
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Keyhold } from '@keyhold/sdk'
import { expect, onTestFinished, test, vi } from 'vitest'
import { KnownValues } from '../src/agent/known-values.ts'
import { SecretFiles } from '../src/agent/secret-files.ts'
import { WorkspaceSecrets } from '../src/agent/secrets.ts'
import { VisitorSessions } from '../src/agent/visitor-sessions.ts'
import { TokenBlanker } from '../src/session/token-forms.ts'

const secretOf = (name: string, value: string) => ({
  ...{ name, type: 'token' as const, path: null, value, encoding: 'utf8' as const },
})
const opening = (level: 'admin' | 'edit') => ({
  ...{ type: 'open' as const, tunnelId: 't', token: 't', accountId: 'a', name: 'Eve', level },
  ...{ fingerprint: 'f', keys: [], address: '127.0.0.1', pass: 'pass' },
})

/** An agent, and a server that writes down what it is told, but not what is called `UNKNOWN`. */
async function newAgent() {
  const root = mkdtempSync(join(tmpdir(), 'keyhold-visit-'))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  const env = { HOME: root, KEYHOLD_AGENT_SOCKET: join(root, 'run/agent.sock') }
  const files = new SecretFiles({ env, directory: root, allowed: [] })
  const secrets = new WorkspaceSecrets(env, 'ws-1', files, () => {})
  onTestFinished(() => secrets.close())
  const state = {
    version: '1',
    isDown: false,
    secrets: [{ id: 's', expiresAt: null, ...secretOf('BOTH', 'of-keyhold') }],
  }
  const told: string[][] = []
  const call = async (id: string, { body }: { body?: { storeVariables: string[] } }) => {
    if (id === 'agent.applied') return { isCurrent: true }
    if (id === 'agent.delivery')
      return { ...state, isUnchanged: false, now: new Date().toISOString(), leftOut: [], referenced: [] }
    if (state.isDown) throw new Error('it does not answer')
    const { storeVariables } = body! // `!`: agent.session has one.
    told.push(storeVariables)
    return { version: state.version, storeVariables: storeVariables.filter((name) => name !== 'UNKNOWN') }
  }
  const keyhold = { call } as unknown as Keyhold // `as`: nothing else of it is used.
  secrets.begin([
    secretOf('BOTH', 'hidden-of-store'),
    secretOf('ONLY', 'of-store'),
    secretOf('UNKNOWN', 'not-recorded'),
  ])
  await secrets.start()
  const gitTokens = { values: new Map<string, string>(), beforeUse: async () => {} }
  const sessions = new VisitorSessions({
    env,
    secrets,
    gitTokens,
    reportUses: async () => ({ remaining: 0 }),
    workspaceId: 'ws-1',
    programs: join(root, 'bin'),
    additions: async () => ({}),
  })
  sessions.reach(() => keyhold)
  await secrets.changed(keyhold)
  const enter = async (level: 'admin' | 'edit') => {
    const cut = vi.fn()
    const { path, close } = sessions.admit(opening(level), cut)
    onTestFinished(close)
    await new Promise((resolve) => setTimeout(resolve, 50))
    const socket = connect(path)
    onTestFinished(() => void socket.destroy())
    const next = async () => JSON.parse(String((await once(socket, 'data'))[0]))
    return { socket, next, answer: await next(), cut, again: () => connect(path) }
  }
  return { state, told, keyhold, secrets, sessions, gitTokens, enter }
}

const valuesOf = (masked: { value: string }[]) =>
  masked.map(({ value }) => Buffer.from(value, 'base64').toString())

test('the server is told which variables of stores there are, and what it does not write down is left out', async () => {
  const { state, told, secrets, keyhold, enter } = await newAgent()
  const { answer } = await enter('admin')
  expect(told).toEqual([['ONLY', 'UNKNOWN']])
  expect(answer.variables).toEqual({ BOTH: 'of-keyhold', ONLY: 'of-store' })
  expect(answer.notes).toEqual([expect.stringContaining('UNKNOWN')])
  Object.assign(state, { version: '2', secrets: [] })
  await secrets.changed(keyhold)
  expect((await enter('admin')).answer.variables).toEqual({ BOTH: 'hidden-of-store', ONLY: 'of-store' })
  expect(told.at(-1)).toEqual(['BOTH', 'ONLY', 'UNKNOWN'])
})

test('M9: all that comes of stores is blanked, also what is hidden and may come to light', async () => {
  const { state, secrets, keyhold, enter } = await newAgent()
  const { socket, next, answer } = await enter('edit')
  const fromStores = ['hidden-of-store', 'of-store', 'not-recorded']
  expect(valuesOf(answer.masked)).toEqual(expect.arrayContaining(['of-keyhold', ...fromStores]))
  Object.assign(state, { version: '2', secrets: [] })
  const changing = secrets.changed(keyhold)
  expect(valuesOf((await next()).masked)).toEqual(expect.arrayContaining(fromStores))
  socket.write('heard')
  await changing
})

test('SEC-40: Admin comes in when that is written down, once with the sessions, and again before there are new values', async () => {
  const { state, told, secrets, keyhold, sessions } = await newAgent()
  const cut = vi.fn()
  state.isDown = true
  const refused = sessions.admit(opening('admin'), cut)
  await expect(refused.record()).rejects.toThrow('the agent could not ask Keyhold')
  refused.close()
  state.isDown = false
  const door = sessions.admit(opening('admin'), cut)
  onTestFinished(door.close)
  await door.record()
  expect(told).toHaveLength(1)
  await new Promise((resolve) => setTimeout(resolve, 50))
  const session = connect(door.path)
  expect(JSON.parse(String((await once(session, 'data'))[0])).variables).toMatchObject({ BOTH: 'of-keyhold' })
  expect(told).toHaveLength(1)
  const next = async (value: string) => {
    const version = `${Number(state.version) + 1}`
    Object.assign(state, { version, secrets: [{ id: 's', expiresAt: null, ...secretOf('BOTH', value) }] })
    await secrets.changed(keyhold)
  }
  await next('new')
  expect([told.length, cut.mock.calls]).toEqual([2, []])
  state.isDown = true
  cut.mockImplementation(() => expect(valueIn(secrets)).toBe('new'))
  await next('newer')
  expect(cut).toHaveBeenCalledOnce()
  expect(valueIn(secrets)).toBe('newer')
})

test('M9: a session blanks the values and the credentials that there were before it, which programs may still have', async () => {
  const { state, secrets, keyhold, sessions, gitTokens, enter } = await newAgent()
  await sessions.hideCredential('kh_agt_first')
  gitTokens.values.set('github.com', 'token-one')
  await gitTokens.beforeUse()
  gitTokens.values.set('github.com', 'token-two')
  await gitTokens.beforeUse()
  Object.assign(state, { version: '2', secrets: [{ id: 's', expiresAt: null, ...secretOf('BOTH', 'new') }] })
  await secrets.changed(keyhold)
  Object.assign(state, { version: '3', secrets: [] })
  await secrets.changed(keyhold)
  await sessions.hideCredential('kh_agt_second')
  const { socket, next, answer } = await enter('edit')
  const before = ['of-keyhold', 'new', 'token-one', 'token-two', 'kh_agt_first', 'kh_agt_second']
  expect(valuesOf(answer.masked)).toEqual(expect.arrayContaining(before))
  const told = next()
  const hiding = sessions.hideCredential('kh_agt_third')
  expect(valuesOf((await told).masked)).toContain('kh_agt_third')
  socket.write('\n')
  await hiding
})

test('of values from before, those that were in effect longest ago are forgotten', () => {
  const known = new KnownValues(10)
  const add = (...values: string[]) => known.add(values.map((value) => ({ name: 'N', value })))
  add('aaaa', 'bbbb')
  add('aaaa')
  add('cccc')
  expect(known.all.map(({ value }) => value)).toEqual(['aaaa', 'cccc'])
})

test('tokens of Keyhold are taken out by their form, however the stream is cut, and nothing else is', () => {
  const body = `${'aB3'.repeat(16)}z`
  const text = `{"token": "kh_agt_${body}"}\nkh_pat_${body} kh_ KH_agt_x kh_é_x ${'kh_'.repeat(9)}`
  const shown = `{"token": "kh_agt_"}\nkh_pat_ kh_ KH_agt_x kh_é_x ${'kh_'.repeat(9)}`
  for (const size of [1, 2, 3, 7, 20, 50, 1000]) {
    const blanker = new TokenBlanker()
    const bytes = Buffer.from(text)
    const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
      blanker.blank(bytes.subarray(at * size, (at + 1) * size)),
    )
    expect(Buffer.concat(pieces).toString()).toBe(shown)
  }
})

const valueIn = ({ inEffect }: WorkspaceSecrets) => inEffect?.delivery.secrets[0]?.value

test('M9: a session that does not answer is ended before a program can have the new value, and one that does is not', async () => {
  const { state, secrets, keyhold, enter } = await newAgent()
  const answering = await enter('edit')
  answering.socket.on('data', () => answering.socket.write('\n'))
  const silent = await enter('edit')
  const during: unknown[] = []
  silent.cut.mockImplementation(() => during.push(valueIn(secrets)))
  Object.assign(state, { version: '2', secrets: [{ id: 's', expiresAt: null, ...secretOf('BOTH', 'new') }] })
  await secrets.changed(keyhold)
  expect(during).toEqual(['of-keyhold'])
  expect(valueIn(secrets)).toBe('new')
  expect(answering.cut).not.toHaveBeenCalled()
})

test('M9: a late answer to one change is none to the next', async () => {
  const { secrets, enter } = await newAgent()
  const { socket, cut } = await enter('edit')
  // One byte for two lines.
  socket.once('data', () => socket.write('\n'))
  const first = secrets.beforeChange(secrets.inEffect!.delivery) // `!`: it has one.
  const second = secrets.beforeChange(secrets.inEffect!.delivery)
  await first
  expect(cut).not.toHaveBeenCalled()
  await second
  expect(cut).toHaveBeenCalledOnce()
})

test('M9: a session that begins while others are told of a value blanks it as well', async () => {
  const { state, secrets, keyhold, enter } = await newAgent()
  const { socket, next, again } = await enter('edit')
  Object.assign(state, { version: '2', secrets: [{ id: 's', expiresAt: null, ...secretOf('BOTH', 'new') }] })
  const changing = secrets.changed(keyhold)
  await next()
  Object.assign(state, { version: '1' })
  const second = again()
  onTestFinished(() => void second.destroy())
  const [line] = await once(second, 'data')
  expect(valueIn(secrets)).toBe('of-keyhold')
  expect(valuesOf(JSON.parse(String(line)).masked)).toEqual(expect.arrayContaining(['new', 'of-keyhold']))
  socket.write('\n')
  await changing
})
