// keyhold doctor inside a workspace: what is wrong with it, and what to do.
import { chmodSync, existsSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Finding } from '../src/finding.ts'
import { waitFor } from './kit.ts'
import { SshWorld } from './ssh-kit.ts'

let world: SshWorld

beforeAll(async () => {
  world = await SshWorld.start()
}, 120_000)
afterAll(() => world?.stop())

/** Of the account that the agent runs as. */
const at = (name: string) => join(world.people.ada!.HOME!, name) // `!`: made with the world.
const set = (name: string, ...more: string[]) =>
  world.done(['workspace-secret', 'set', 'api', name, ...more], undefined, `canary-of-${name}`)
/** A terminal of the workspace: it knows nobody's token. */
const terminal = (more: Record<string, string> = {}) => {
  const { KEYHOLD_TOKEN: _, ...env } = world.people.ada! // `!`: made with the world.
  return { ...env, KEYHOLD_AGENT_SOCKET: join(world.home, 'run/agent.sock'), ...more }
}
async function doctor(env = terminal(), wrap: string[] = []) {
  const { code, stdout } = await world.run([...wrap, 'doctor', '--json'], env)
  const findings = JSON.parse(stdout) as Finding[]
  const of = (check: string) => findings.filter((one) => one.check === check)
  return { code, stdout, of }
}
/** Looks until it says so. */
async function says(check: string, text: string) {
  for (;;) if ((await doctor()).of(check)[0]?.message.includes(text)) return
}
const inEffect = (name: string) => says('secrets', name)

test('SEC-33, SEC-35: agent, connection, epoch, clock, secrets and files are said, no values; a terminal of before lacks what is new', async () => {
  await set('GITHUB_TOKEN')
  await set('CONFIG', '--type=file', `--file-path=${at('config')}`)
  writeFileSync(at('taken'), 'of a person')
  await set('TAKEN', '--type=file', `--file-path=${at('taken')}`)
  await waitFor(() => existsSync(at('config')))
  await inEffect('TAKEN')
  const { code, stdout, of } = await doctor()
  expect(code, stdout).toBe(0)
  expect(of('agent')).toEqual([
    {
      check: 'agent',
      status: 'ok',
      message: expect.stringMatching(
        new RegExp(`^of ${world.id}, connected to ${world.server.url} since \\d{4}-.*Z, epoch 1$`),
      ),
    },
  ])
  expect(of('agent clock')[0]).toMatchObject({ status: 'ok', message: "agrees with the server's" })
  expect(of('secrets')[0]).toMatchObject({ message: expect.stringMatching(/GITHUB_TOKEN.* in effect$/) })
  expect(of('secrets')[1]).toMatchObject({
    status: 'warn',
    message: expect.stringMatching(/taken is not in effect: something is there/),
  })
  expect(of('files')).toMatchObject([{ status: 'ok', message: `${at('config')} is in place` }])
  expect(of('ssh server')[0]).toMatchObject({ status: 'ok', message: expect.stringContaining('good until') })
  expect(of('ssh agent')[0]).toMatchObject({ status: 'ok' })
  expect(of('hooks')[0]?.message).toContain('not in this terminal')
  expect(of('terminal')[0]?.message).toMatch(/GITHUB_TOKEN.* not in this terminal/)
  expect((await doctor(terminal({ GITHUB_TOKEN: 'x' }))).of('terminal')[0]?.message).not.toContain('GITHUB')
  expect(of('credential')[0]).toMatchObject({ status: 'ok' })
  expect(stdout).not.toContain('canary')
})

test('a file that others can read, an ssh-agent that is gone and an agent that is gone are said', async () => {
  await set('CONFIG2', '--type=file', `--file-path=${at('config2')}`)
  const path = at('config2')
  await waitFor(() => existsSync(path))
  await inEffect('CONFIG2')
  chmodSync(realpathSync(path), 0o644)
  const { code, of } = await doctor(terminal({ SSH_AUTH_SOCK: join(world.home, 'gone') }))
  expect(code).toBe(1)
  expect(of('files').find(({ status }) => status === 'fail')?.message).toMatch(
    /config2 can be read by others/,
  )
  expect(of('ssh agent')[0]).toMatchObject({ status: 'warn', message: expect.stringContaining('gone') })
  rmSync(path)
  expect((await doctor()).of('files').map(({ message }) => message)).toContain(`${path} is not there`)
  await world.server.kill()
  await says('agent', 'not connected')
  world.agent?.kill('SIGKILL')
  await says('agent', 'does not answer')
})
