// Who a session by SSH is elsewhere: git and ssh in it, by way of the gateway, the real agent and the real sshd.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { GitHost } from './git-host.ts'
import { SshWorld } from './ssh-kit.ts'

let world: SshWorld
let gitHost: GitHost

beforeAll(async () => {
  world = await SshWorld.start({ KEYHOLD_OUTGOING_ALLOW: '127.0.0.0/8' })
  gitHost = await GitHost.start()
  await world.letIn('eve')
  await world.done(['share', 'add', 'api', 'eve@example.com', '--level=edit'])
}, 120_000)
afterAll(async () => {
  gitHost?.stop()
  await world?.stop()
})

/** The agent hears of a change within a second or so. */
async function until(command: string, isSo: (text: string) => boolean): Promise<string> {
  for (let tries = 0; ; tries++) {
    const { stdout, stderr } = await world.ssh('ada', [command])
    if (isSo(stdout.toString())) return stdout.toString()
    if (tries > 100) throw new Error(`not seen: ${stdout}${stderr}`)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

test('SDS-3, SDS-28, SDS-36: in a session git has the token, ssh the identity, and commits are signed; with Edit the token is blank', async () => {
  const ada = world.people.ada! // `!`: made when the world was.
  await gitHost.register(world.server.person('admin', 'admin'), world.run.bind(world))
  await gitHost.connect(world.server.url, ada, world.run.bind(world))
  await world.done(['identity', 'generate'])
  const { gpgKey } = JSON.parse(await world.done(['gpg-key', 'create', '--json']))
  const git = `git -c http.sslCAInfo=${gitHost.ca} -c credential.interactive=false`
  await until(`GIT_TERMINAL_PROMPT=0 ${git} ls-remote ${gitHost.url} && echo reached`, (text) =>
    text.includes('reached'),
  )
  const publicKey = (await world.done(['identity', 'show'])).trim()
  await until('ssh-add -L', (text) => text.trim() === publicKey)
  await until('git config user.signingKey', (text) => text.trim() === gpgKey.fingerprint)
  const made = await world.ssh('ada', [
    `git init -q ${world.home}/r && cd ${world.home}/r && git -c user.name=a -c user.email=ada@example.com commit -q --allow-empty -m one && git cat-file commit HEAD`,
  ])
  expect(made.stdout.toString(), made.stderr).toContain('-----BEGIN PGP SIGNATURE-----')

  const helper = `sh -c "$(git config --get-all credential.https://${gitHost.host}.helper | sed -n 's/^!//p') get"`
  const asked = `printf 'protocol=https\\nhost=${gitHost.host}\\n' | ${helper}`
  const [token] = [...gitHost.tokens].slice(-1)
  expect((await world.ssh('ada', [asked])).stdout.toString()).toContain(`password=${token}`)
  const blank = await world.ssh('eve', [asked])
  expect(blank.stdout.toString()).toContain('username=oauth2\npassword=\n')
  expect(blank.stdout.toString() + blank.stderr).not.toContain(token)
}, 120_000)
