// Drives the agent against the real server.
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { type Running, run, start, waitFor } from './kit.ts'
import { type RealServer, startRealServer } from './real-server.ts'

let server: RealServer
let ada: Record<string, string>
let stateDirectory: string
let count = 0
let agents = 0
let workspace: string

beforeAll(async () => {
  server = await startRealServer()
  ada = server.person('ada')
}, 60_000)
afterAll(() => server?.stop())
beforeEach(async () => {
  stateDirectory = mkdtempSync(join(tmpdir(), 'keyhold-agent-'))
  onTestFinished(() => rmSync(stateDirectory, { recursive: true, force: true }))
  workspace = `agent-${++count}`
  await done(['workspace', 'create', workspace])
})

async function done(args: string[], input = '') {
  const result = await run(args, ada, input)
  expect(result, result.stderr).toMatchObject({ code: 0 })
  return result
}

const newToken = async () => (await done(['workspace', 'enroll', workspace])).stdout.trim()
const shownAgent = async () =>
  JSON.parse((await done(['workspace', 'show', workspace, '--json'])).stdout).agent

/** As it runs on another machine: it knows the server, and nobody's token. */
function startAgent(env: Record<string, string> = {}, args: string[] = []): Running {
  const { KEYHOLD_TOKEN: _, ...rest } = ada
  // Each as on a machine of its own, also where they share a state directory.
  const socket = join(stateDirectory, `run-${++agents}`, 'agent.sock')
  return start(['agent', `--state-dir=${stateDirectory}`, ...args], {
    ...rest,
    KEYHOLD_AGENT_SOCKET: socket,
    ...env,
  })
}
const says = (agent: Running, pattern: RegExp) =>
  waitFor(
    () => pattern.exec(agent.stderr),
    undefined,
    () => `${pattern} in ${agent.stderr}`,
  )
const connected = (agent: Running) => says(agent, /connected to/)

test('an agent joins with a token on standard input, stays, and comes back without one', async () => {
  const agent = startAgent()
  agent.child.stdin.end(`${await newToken()}\n`)
  await says(agent, new RegExp(`joined workspace ${workspace}`))
  await connected(agent)
  expect(await shownAgent()).toMatchObject({ isConnected: true, release: '0.1.0' })
  expect((await done(['workspace', 'list'])).stdout).toMatch(new RegExp(`${workspace}\\t.*\\tconnected`))
  expect(statSync(join(stateDirectory, 'agent.json')).mode & 0o777).toBe(0o600)

  agent.child.kill('SIGTERM')
  expect(await agent.ended).toMatchObject({ code: 0, stdout: '' })
  const again = startAgent()
  await connected(again)
  again.child.kill('SIGTERM')
  await again.ended
  expect((await done(['workspace', 'show', workspace])).stdout).toMatch(/Agent\s+away since/)
})

test('a container that starts again keeps its agent, though the token in its environment was used (T19)', async () => {
  const file = join(stateDirectory, 'token')
  writeFileSync(file, `${await newToken()}\n`)
  const env = { KEYHOLD_ENROLLMENT_TOKEN_FILE: file }
  for (let starts = 0; starts < 2; starts++) {
    const agent = startAgent(env)
    await connected(agent)
    agent.child.kill('SIGTERM')
    await agent.ended
  }
  const { KEYHOLD_ENROLLMENT_TOKEN_FILE: _, ...direct } = { ...env, KEYHOLD_ENROLLMENT_TOKEN: 'kh_enr_wrong' }
  const refused = startAgent(direct, ['--enroll'])
  expect(await refused.ended).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('agent.enrollment_invalid'),
  })
  expect(refused.stderr).not.toContain('kh_enr_wrong')
})

test('an agent that is cut off ends, and says how to join anew', async () => {
  const agent = startAgent({ KEYHOLD_ENROLLMENT_TOKEN: await newToken() })
  await connected(agent)
  await done(['workspace', 'disconnect', workspace, '--yes'])
  expect(await agent.ended).toMatchObject({ code: 4, stderr: expect.stringContaining('agent --enroll') })
  expect(await shownAgent()).toBeNull()
  expect((await startAgent().ended).code).toBe(4)
})

test('one agent uses a state directory: a second one is told which, before it takes anything; one that was killed is in nobody’s way', async () => {
  const agent = startAgent({ KEYHOLD_ENROLLMENT_TOKEN: await newToken() })
  await connected(agent)
  const second = await startAgent({ KEYHOLD_ENROLLMENT_TOKEN: await newToken() }, ['--enroll']).ended
  expect([second.code, second.stderr]).toEqual([
    1,
    expect.stringContaining(`runs already with ${stateDirectory} (pid ${agent.child.pid})`),
  ])
  expect(agent.stderr).not.toContain('took the place')
  agent.child.kill('SIGKILL')
  await agent.ended
  const next = startAgent()
  await connected(next)
  expect(readFileSync(join(stateDirectory, 'agent.pid'), 'utf8')).toBe(`${next.child.pid}\n`)
  next.child.kill('SIGTERM')
  expect((await next.ended).code).toBe(0)
  expect(existsSync(join(stateDirectory, 'agent.pid'))).toBe(false)
})

test('without a token and without a terminal it says who makes one', async () => {
  const agent = startAgent()
  agent.child.stdin.end()
  expect(await agent.ended).toMatchObject({
    code: 4,
    stderr: expect.stringContaining('keyhold workspace enroll'),
  })
})

test('a server that restarts finds its agents back (U11)', async () => {
  const own = await startRealServer()
  onTestFinished(() => own.stop())
  const bob = own.person('bob')
  await run(['workspace', 'create', 'box'], bob)
  const { stdout: token } = await run(['workspace', 'enroll', 'box'], bob)
  const { KEYHOLD_TOKEN: _, ...env } = bob
  const agent = start(['agent', `--state-dir=${stateDirectory}`], {
    KEYHOLD_AGENT_SOCKET: join(stateDirectory, 'run/agent.sock'),
    ...env,
    KEYHOLD_ENROLLMENT_TOKEN: token.trim(),
  })
  await connected(agent)
  await own.restart()
  await waitFor(
    () => agent.stderr.match(/connected to/g)?.length === 2,
    undefined,
    () => agent.stderr,
  )
})

test('a credential that is due is replaced: on disk first, then in use', async () => {
  const agent = startAgent({ KEYHOLD_ENROLLMENT_TOKEN: await newToken() })
  await connected(agent)
  agent.child.kill('SIGTERM')
  await agent.ended
  const read = () => JSON.parse(readFileSync(join(stateDirectory, 'agent.json'), 'utf8')).token
  const before = read()
  const { DatabaseSync } = await import('node:sqlite')
  const database = new DatabaseSync(join(server.dataDir, 'keyhold.db'))
  database.exec('update workspace_credentials set created_at = created_at - 90000000')
  const again = startAgent()
  await connected(again)
  const next = read()
  expect(next).not.toBe(before)
  // As with the end of a share, while it is connected.
  database.exec('update workspace_credentials set created_at = 0')
  database.exec('update workspace_agents set changes = changes + 1')
  database.close()
  await waitFor(
    () => read() !== next,
    undefined,
    () => again.stderr,
  )
})
