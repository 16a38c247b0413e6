// What a workspace gets and needs when it starts, by way of the real command, server and agent. The store is one of HTTP on this machine.
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { node, type Running, run, start, waitFor } from './kit.ts'
import { type RealServer, startRealServer } from './real-server.ts'

const TOKEN = 'hvs.canary-token-of-the-store'
let server: RealServer
let vault: Server
let address: string
let admin: Record<string, string>
let ada: Record<string, string>
let home: string
let workspace: string
let count = 0
/** By path, as version 2 of the key-value engine has it. */
const stored = new Map<string, Record<string, string>>()
let requests = 0

beforeAll(async () => {
  vault = createServer((request, response) => {
    requests += 1
    const answer = (status: number, body: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(body))
    }
    if (request.headers['x-vault-token'] !== TOKEN) return answer(403, { errors: ['permission denied'] })
    if (request.url === '/v1/auth/token/lookup-self') return answer(200, { data: { ttl: 0 } })
    const data = stored.get(request.url?.replace('/v1/secret/data/', '') ?? '')
    return data ? answer(200, { data: { data, metadata: { version: 1 } } }) : answer(404, { errors: [] })
  }).listen(0, '127.0.0.1')
  await once(vault, 'listening')
  address = `http://127.0.0.1:${(vault.address() as AddressInfo).port}` // `as`: it listens on TCP.
  server = await startRealServer({ KEYHOLD_OUTGOING_ALLOW: '127.0.0.0/8' })
  admin = server.person('root', 'admin')
  ada = server.person('ada')
}, 60_000)
afterAll(async () => {
  vault.close()
  await server?.stop()
})
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'keyhold-store-'))
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
  workspace = `box-${++count}`
  if (count === 1)
    await done(
      ['store', 'add', 'corp', 'vault', `--address=${address}`, '--path=teams/*'],
      `${TOKEN}\n`,
      admin,
    )
  await done(['workspace', 'create', workspace])
})

async function done(args: string[], input = '', env = ada) {
  const result = await run(args, env, input)
  expect(result, result.stderr).toMatchObject({ code: 0 })
  return result
}

const machine = () => ({ PATH: ada.PATH!, HOME: home, KEYHOLD_AGENT_SOCKET: join(home, 'run/agent.sock') })

async function startAgent(isJoining = true): Promise<Running> {
  const agent = start(['agent', `--state-dir=${home}/state`], { ...machine(), KEYHOLD_URL: server.url })
  if (isJoining) agent.child.stdin.end((await done(['workspace', 'enroll', workspace])).stdout)
  return agent
}

const isConnected = (agent: Running) =>
  waitFor(
    () => /connected to/.test(agent.stderr),
    undefined,
    () => agent.stderr,
  )

async function stop(agent: Running): Promise<void> {
  agent.child.kill('SIGTERM')
  await agent.ended
}

const printed = (program: string) =>
  run(['run', '--no-mask', '--', node, '-e', `process.stdout.write(${program})`], machine())

/** Runs programs until one sees it: the agent hears of a change within a second or so. */
async function seen(program: string, expected: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    const { stdout, stderr } = await printed(program)
    if (stdout === expected) return
    if (tries > 60) throw new Error(`${expected} was not seen, but ${stdout}${stderr}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

test('SEC-50, SEC-52: what a store has is there from the start, masked, and changes at the next start only', async () => {
  stored.set('teams/shop', { user: 'shop', password: 'canary-of-the-store', OTHER: 'x' })
  const variables = ['--variable=DB_USER=user', '--variable=DB_PASSWORD=password']
  const connected = await done(['store', 'connect', workspace, 'corp', 'teams/shop', ...variables])
  expect(connected.stderr).toContain('DB_USER=user DB_PASSWORD=password')
  // Everything else goes before it.
  await done(['workspace-secret', 'set', workspace, 'DB_USER'], 'own')
  const listed = (await done(['workspace', 'variables', workspace])).stdout
  expect(listed).toMatch(/\$DB_PASSWORD\tvalue, fetched at the start\tteams\/shop\toutside store corp/)
  expect(listed).toMatch(/\$DB_USER\tvalue\tDB_USER\tworkspace box-\d+\tpending\toutside store corp/)

  const agent = await startAgent()
  await isConnected(agent)
  await seen('process.env.DB_USER + " " + process.env.DB_PASSWORD', 'own canary-of-the-store')
  const masked = await run(['run', '--', 'sh', '-c', 'echo "[$DB_PASSWORD]"'], machine())
  expect(masked.stdout).toBe('[]\n')
  const before = requests
  stored.set('teams/shop', { user: 'shop', password: 'canary-the-second' })
  await done(['workspace-secret', 'unset', workspace, 'DB_USER', '--yes'])
  await seen('process.env.DB_USER + " " + process.env.DB_PASSWORD', 'shop canary-of-the-store')
  expect(requests).toBe(before)
  await stop(agent)
  const next = await startAgent(false)
  await isConnected(next)
  await seen('process.env.DB_PASSWORD', 'canary-the-second')
  await stop(next)
  expect(agent.stderr + next.stderr).not.toContain('canary')
  for (const file of readdirSync(join(home, 'state'), { recursive: true, withFileTypes: true }))
    if (file.isFile()) expect(readFileSync(join(file.parentPath, file.name), 'utf8')).not.toContain('canary')
})

test('SEC-52: a store that refuses stops the agent with a message that names it, or is a warning', async () => {
  await done(['store', 'connect', workspace, 'corp', 'teams/nowhere'])
  const agent = await startAgent()
  expect((await agent.ended).code).toBe(1)
  expect(agent.stderr).toContain(
    'the workspace does not start: outside store corp, teams/nowhere: there is nothing at this path, or it was deleted',
  )
  await done(['store', 'edit', 'corp', '--credential'], 'canary-wrong-token', admin)
  const refused = await startAgent(false)
  expect((await refused.ended).code).toBe(1)
  expect(refused.stderr).toMatch(/outside store corp, .*refuses what Keyhold signs in with/)
  const checked = await run(['store', 'check', 'corp'], admin)
  expect(checked).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('corp: it refuses what Keyhold signs in'),
  })
  expect(refused.stderr + checked.stderr).not.toContain('canary')
  await done(['store', 'edit', 'corp', '--credential'], TOKEN, admin)

  await done(['store', 'disconnect', workspace, 'corp', 'teams/nowhere'])
  await done(['store', 'connect', workspace, 'corp', 'teams/nowhere', '--on-failure=warn'])
  const warned = await startAgent(false)
  await isConnected(warned)
  expect(warned.stderr).toContain('keyhold: outside store corp, teams/nowhere: there is nothing at this path')
  await stop(warned)
})

test('keyhold store: what is there, what is wrong, and who may do what', async () => {
  stored.set('teams/names', { B: 'canary-value', A: 'x' })
  expect(JSON.parse((await done(['store', 'list', '--json'])).stdout)).toMatchObject([
    { name: 'corp', kind: 'vault', paths: ['teams/*'] },
  ])
  expect((await done(['store', 'list'], '', admin)).stdout).toContain(address)
  expect((await done(['store', 'check', 'corp', '--path=teams/names'], '', admin)).stdout).toBe('A\nB\n')
  expect(await run(['store', 'check', 'corp'], ada)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('access.refused'),
  })
  expect(await run(['store', 'check', 'crop'], admin)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('did you mean corp?'),
  })
  expect((await done(['store', 'sources', workspace])).stderr).toContain('takes nothing of outside stores')
  expect(await run(['store', 'connect', workspace, 'corp', 'other/x'], ada)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('store_source.path_refused'),
  })
  await done(['store', 'connect', workspace, 'corp', 'teams/names'])
  expect((await done(['store', 'sources', workspace])).stdout).toMatch(
    /corp\tteams\/names\teach under its own name\tno start\tyes/,
  )
  for (const [args, text] of [
    [['add', 'x', 'aws', '--path=*', '--access-key-id=A'], '--region is missing'],
    [['add', 'x', 'vault', '--path=*', '--region=eu'], '--region belongs to a store of kind aws'],
    [['add', 'x', 'vault'], '--path is missing'],
    [['edit', 'corp'], 'there is nothing to change'],
  ] as const)
    expect(await run(['store', ...args], admin, 'x')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(text),
    })
  await done(['store', 'add', 'second', 'vault', `--address=${address}`, '--path=*'], TOKEN, admin)
  await done(['store', 'remove', 'second', '--confirm=second'], '', admin)
})

test('SEC-44, SEC-46, SEC-47: a template says what is needed; required ones stop the start and nothing else', async () => {
  const file = join(home, 'devcontainer.json')
  writeFileSync(
    file,
    '{ // with comments\n "secrets": { "GITHUB_TOKEN": { "description": "GitHub API token for private repos" }, "EXTRA": {} }, }',
  )
  await done([
    'template',
    'create',
    'node',
    `--devcontainer=${file}`,
    '--required=GITHUB_TOKEN',
    '--need=DATABASE_URL=of the shop',
  ])
  // What is given beside the file goes before what it says.
  expect((await done(['template', 'show', 'node'])).stdout).toBe(
    'EXTRA\tsuggested\t\nDATABASE_URL\tsuggested\tof the shop\nGITHUB_TOKEN\trequired\t\n',
  )
  const exported = (await done(['template', 'export', 'node'])).stdout
  expect(JSON.parse(exported)).toEqual({
    name: 'node',
    secrets: { EXTRA: {}, DATABASE_URL: { description: 'of the shop' }, GITHUB_TOKEN: {} },
    customizations: { keyhold: { required: ['GITHUB_TOKEN'] } },
  })
  writeFileSync(file, exported)
  await done(['template', 'update', 'node', `--devcontainer=${file}`])
  expect((await done(['template', 'export', 'node'])).stdout).toBe(exported)

  const box = `made-${count}`
  const made = await done(['workspace', 'create', box, '--template=node'])
  expect(made.stderr).toContain('This template needs these secrets:')
  expect(made.stderr).toContain('GITHUB_TOKEN: missing, required')
  expect(made.stderr).toContain('without GITHUB_TOKEN the workspace does not start')
  expect(made.stderr).toContain(`keyhold workspace-secret set ${box} GITHUB_TOKEN`)
  workspace = box
  const stopped = await startAgent()
  expect((await stopped.ended).code).toBe(1)
  expect(stopped.stderr).toContain(
    'the workspace does not start: GITHUB_TOKEN is missing; add it: keyhold workspace-secret set',
  )
  await done(['workspace-secret', 'set', box, 'GITHUB_TOKEN'], 'ghp_canary')
  expect((await done(['workspace', 'show', box])).stdout).toMatch(
    /Needs +EXTRA: missing\n +DATABASE_URL: missing \(of the shop\)\n +GITHUB_TOKEN: present\n/,
  )
  const agent = await startAgent(false)
  await isConnected(agent)
  await seen('process.env.GITHUB_TOKEN', 'ghp_canary')
  expect(agent.stderr).toContain('DATABASE_URL is missing (of the shop)')
  await stop(agent)
  await done(['workspace', 'update', box, '--no-needs'])
  expect((await done(['workspace', 'show', box])).stdout).not.toContain('Needs')
  expect(await run(['template', 'delete', 'nod', '--yes'], ada)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('did you mean node?'),
  })
  await done(['template', 'delete', 'node', '--yes'])
})
