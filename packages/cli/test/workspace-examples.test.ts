// What guides tell people to do in a workspace, done there.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { waitFor } from './kit.ts'
import { SshWorld, start } from './ssh-kit.ts'

// This machine may be busy.
vi.setConfig({ testTimeout: 90_000 })

const TOKEN = 'ghp_of-the-examples'
const DATABASE_URL = "postgres://app:p%40ss/w:rd@db.example.com:5432/shop?sslmode=require&options=-c%20x='1'"

let world: SshWorld
/** In place of api.github.com. */
let api: Server
let url = ''
const heard: (string | undefined)[] = []

beforeAll(async () => {
  world = await SshWorld.start()
  api = createServer((request, response) => {
    heard.push(request.headers.authorization)
    response.end('{"login":"ada"}')
  }).listen(0, '127.0.0.1')
  await once(api, 'listening')
  url = `http://127.0.0.1:${(api.address() as AddressInfo).port}/user` // `as`: it listens on TCP.
  await set('GITHUB_TOKEN', TOKEN)
}, 120_000)
afterAll(async () => {
  api?.close()
  await world?.stop()
})

const set = (name: string, value: string, ...more: string[]) =>
  world.done(['workspace-secret', 'set', 'api', name, ...more], undefined, value)
const ssh = async (command: string) => {
  const { code, stdout } = await world.ssh('ada', [command])
  return [code, stdout.toString()]
}
/** Asks in new sessions until one has it. */
const inNewSession = async (command: string, wanted: unknown[]) => {
  let last: unknown[] = []
  for (let tries = 0; tries < 60; tries++) {
    last = await ssh(command)
    if (JSON.stringify(last) === JSON.stringify(wanted)) return
  }
  expect(last).toEqual(wanted)
}

test.each([
  [
    'node',
    'app.mjs',
    'const answer = await fetch(URL_OF_API, { headers: { Authorization: `token ${process.env.GITHUB_TOKEN}` } })\nconsole.log((await answer.json()).login)\n',
  ],
  [
    'python3',
    'app.py',
    "import json, os, urllib.request\ntoken = os.environ.get('GITHUB_TOKEN')\nrequest = urllib.request.Request(URL_OF_API, headers={'Authorization': f'token {token}'})\nprint(json.load(urllib.request.urlopen(request))['login'])\n",
  ],
  ['bash', 'app.sh', 'curl -s -H "Authorization: token $GITHUB_TOKEN" URL_OF_API | grep -o ada\n'],
])('SEC-11: a program for %s sends the token as its guide has it', async (program, name, text) => {
  const path = join(world.home, name)
  writeFileSync(path, text.replace('URL_OF_API', program === 'bash' ? url : JSON.stringify(url)))
  heard.length = 0
  await inNewSession(`${program} ${path}`, [0, 'ada\n'])
  expect(heard.at(-1)).toBe(`token ${TOKEN}`)
})

test('SEC-10, SEC-12: a value with all that addresses may have arrives unchanged, also as another variable', async () => {
  await set('DATABASE_URL', DATABASE_URL)
  const sum = createHash('sha256').update(DATABASE_URL).digest('hex')
  await inNewSession('export MINE="$DATABASE_URL"; sh -c \'printf %s "$MINE"\' | sha256sum', [
    0,
    `${sum}  -\n`,
  ])
})

test('SEC-33: `env | grep` lists a name while it is defined, and nothing before and after', async () => {
  const look = 'env | grep LATER_KEY'
  expect(await ssh(look)).toEqual([1, ''])
  await set('LATER_KEY', 'is-there-now')
  await inNewSession(look, [0, 'LATER_KEY=is-there-now\n'])
  await world.done(['workspace-secret', 'unset', 'api', 'LATER_KEY', '--yes'])
  await inNewSession(look, [1, ''])
})

test.each([
  ['key', 'SSH_PRIVATE_KEY'],
  ['file', 'PASTED_KEY'],
])('SEC-5, SEC-6: a private key as %s is unchanged, and `ssh -i` takes its file', async (type, name) => {
  const made = join(world.home, name)
  execFileSync('ssh-keygen', ['-q', '-t', 'rsa', '-b', '2048', '-m', 'PEM', '-N', '', '-f', made])
  const folder = join(world.people.ada?.HOME ?? '', `.keys-of-${type}`)
  const path = join(folder, 'id')
  await set(name, readFileSync(made, 'utf8'), `--type=${type}`, `--file-path=~/.keys-of-${type}/id`)
  await waitFor(
    () => existsSync(path),
    undefined,
    () => world.agentText,
  )
  expect(readFileSync(path).equals(readFileSync(made))).toBe(true)
  expect(statSync(path).mode & 0o777).toBe(0o600)
  // As a key of its owner it leads into the workspace.
  await world.done(['ssh-key', 'add', `${made}.pub`])
  const [, config = ''] = world.optionsOf('ada')
  const withKey = readFileSync(config, 'utf8').replace(/IdentityFile .*/, `IdentityFile ${path}`)
  writeFileSync(join(world.home, 'with-key'), withKey)
  const entering = start('ssh', ['-F', join(world.home, 'with-key'), world.target, 'echo entered'])
  entering.child.stdin.end()
  const { code, stdout, stderr } = await entering.ended
  expect([code, stdout.toString()], stderr).toEqual([0, 'entered\n'])
  await world.done(['workspace-secret', 'unset', 'api', name, '--yes'])
  await waitFor(() => !existsSync(folder))
})
