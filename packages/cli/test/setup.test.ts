import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { keyhold, run, TerminalRun } from './kit.ts'

const password = 'canary correct horse battery'

/** A server that is not set up yet and takes any code; it keeps what it was sent. */
async function freshServer() {
  const bodies: string[] = []
  const server = createServer(async (req, res) => {
    let body = ''
    for await (const part of req) body += part
    res.setHeader('content-type', 'application/json')
    if (req.method === 'GET') return res.end('{"isDone":false}')
    bodies.push(body)
    res.writeHead(201)
    res.end('{"account":{},"accessToken":"kh_pat_of-this-machine"}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const directory = mkdtempSync(join(tmpdir(), 'keyhold-setup-'))
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
    rmSync(directory, { recursive: true, force: true })
  })
  const { port } = server.address() as AddressInfo // `as`: it listens on TCP.
  const url = `http://127.0.0.1:${port}`
  return {
    bodies,
    directory,
    url,
    env: { PATH: process.env.PATH ?? '', XDG_CONFIG_HOME: directory, KEYHOLD_URL: url },
  }
}

async function answer(terminal: TerminalRun, question: RegExp, text: string): Promise<void> {
  const from = terminal.output.length
  await terminal.sees(question)
  terminal.pty.write(`${text}\r`)
  // The next question may be the same one.
  while (terminal.output.length === from) await new Promise((done) => setTimeout(done, 10))
}

test('at a terminal everything is asked for, the confidential part unseen', async () => {
  const { bodies, directory, url, env } = await freshServer()
  const terminal = new TerminalRun(keyhold, ['setup'], env)
  await answer(terminal, /your e-mail address:/, 'ada@example.com')
  await answer(terminal, /your name:/, 'Ada')
  await answer(terminal, /one-time code/, `${url}/setup#code=kh_setup_canary`)
  await answer(terminal, /at least 15 characters:/, password)
  await answer(terminal, /the same password again:/, password)
  await answer(terminal, /put the root key on paper now\?/, 'n')
  expect((await terminal.ended).exitCode).toBe(0)
  expect(terminal.output).toContain('keyhold admin recovery-kit create')
  expect(terminal.output).not.toContain('canary')
  expect(JSON.parse(bodies[0] ?? '')).toMatchObject({
    code: 'kh_setup_canary',
    email: 'ada@example.com',
    name: 'Ada',
    password,
    accessTokenName: expect.stringMatching(/^keyhold on /),
  })
  expect(JSON.parse(readFileSync(join(directory, 'keyhold/credentials.json'), 'utf8'))).toEqual({
    url,
    token: 'kh_pat_of-this-machine',
  })
})

test('without --url the pasted link says where the code goes, and never to another machine over plain http', async () => {
  const { bodies, directory, url, env } = await freshServer()
  const { KEYHOLD_URL: _, ...unnamed } = env
  const line = ['setup', '--email=a@example.com', '--name=Ada', '--answers-stdin']
  const sent = await run(line, unnamed, `http://192.0.2.1/setup#code=kh_setup_canary\n${password}\n`)
  expect(sent).toMatchObject({ code: 2, stderr: expect.stringContaining('over plain http') })
  expect(sent.stderr).not.toContain('canary')
  expect((await run(line, unnamed, `${url}/setup#code=kh_setup_canary\n${password}\n`)).code).toBe(0)
  expect(JSON.parse(bodies[0] ?? '')).toMatchObject({ code: 'kh_setup_canary' })
  expect(JSON.parse(readFileSync(join(directory, 'keyhold/credentials.json'), 'utf8')).url).toBe(url)
})

test('of a short password, and of two that differ, it asks again; three times change nothing', async () => {
  const { bodies, env } = await freshServer()
  const terminal = new TerminalRun(keyhold, ['setup', '--email=a@example.com', '--name=Ada'], env)
  await answer(terminal, /one-time code/, 'kh_setup_canary')
  await answer(terminal, /at least 15 characters:/, 'short')
  await answer(terminal, /has fewer[\s\S]*at least 15 characters:/, password)
  await answer(terminal, /the same password again:/, 'another canary password')
  await answer(terminal, /differ[\s\S]*at least 15 characters:/, password)
  await answer(terminal, /password again:[\s\S]*password again:/, 'another canary password')
  expect((await terminal.ended).exitCode).toBe(1)
  expect(terminal.output).toContain('has fewer than 15 characters')
  expect(terminal.output).toContain('the two passwords differ; nothing was changed')
  expect(bodies).toEqual([])
})

test('where credentials cannot be stored, nothing is set up', async () => {
  const { bodies, directory, env } = await freshServer()
  writeFileSync(join(directory, 'keyhold'), '')
  const line = ['setup', '--email=a@example.com', '--name=Ada', '--answers-stdin']
  const { code, stderr } = await run(line, env, `kh_setup_x\n${password}\n`)
  expect(code).toBe(1)
  expect(stderr).toMatch(/credentials\.json cannot be written/)
  expect(bodies).toEqual([])
})

test.each(['', 'one line\n', 'code\n\n', 'code\npassword\nmore\n'])(
  'standard input %j is not two lines',
  async (input) => {
    const { bodies, directory, env } = await freshServer()
    const line = ['setup', '--email=a@example.com', '--name=Ada', '--answers-stdin']
    expect((await run(line, env, input)).code).toBe(2)
    expect(bodies).toEqual([])
    expect(readdirSync(directory)).toEqual([])
  },
)
