/*
 * `npm run demo [-- --once]`: a server and a workspace on this machine, and a visit to it with the ssh of this machine. Then the
 * workspace stays, for your own `ssh`, until Ctrl-C; with --once it does not.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { keyhold, Scene } from './scene.ts'

const { values } = parseArgs({ options: { once: { type: 'boolean', default: false } } })
const say = (text: string) => process.stdout.write(`${text}\n`)
const stopped = new Promise<void>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
})

say('starting a server, a host of repositories, and a workspace with its agent')
const scene = await Scene.start()
try {
  say(`\nKeyhold is at ${scene.url}; the workspace is entered with\n\n  ${scene.ssh.join(' ')}\n`)
  say(
    'which is what `keyhold workspace connect demo` says, with the key and the known hosts of the demonstration:\n',
  )
  say(`  ${(await scene.done(['workspace', 'connect', 'demo'])).split('\n')[0]}`)
  process.exitCode = await visit(scene)
  say('\n# and what the audit log says of it\n')
  say(await auditLines(scene))
  if (process.exitCode === 0 && !values.once) {
    say('\nThe workspace stays until Ctrl-C.')
    await stopped
  }
} finally {
  await scene.end()
}

/** Types visit.sh there. @returns its exit code. */
async function visit({ ssh, gitHost, gitSsh, home }: Scene): Promise<number> {
  const variables = {
    DEMO_HTTPS: gitHost.url,
    DEMO_SSH: `ssh://${process.env.USER ?? 'root'}@${gitSsh}/shop.git`,
    DEMO_IDENTITY: join(home, 'identity.pub'),
    DEMO_KEYHOLD: keyhold,
    // Certificate and host key of the host of repositories, which nobody on this machine knows.
    GIT_SSL_CAINFO: gitHost.ca,
    GIT_SSH_COMMAND: `ssh -o UserKnownHostsFile=${join(home, 'git_known_hosts')}`,
  }
  const words = Object.entries(variables).map(([name, value]) => `${name}='${value}'`)
  const [program = '', ...args] = [...ssh, 'env', ...words, 'sh', '-s']
  const child = spawn(program, args, { stdio: ['pipe', 'inherit', 'inherit'] })
  child.stdin.on('error', () => {})
  child.stdin.end(readFileSync(new URL('visit.sh', import.meta.url)))
  const [code] = await once(child, 'close')
  return (code as number | null) ?? 1 // `as`: what close tells first.
}

/** The oldest first, as one reads. */
async function auditLines(scene: Scene): Promise<string> {
  const lines = (await scene.done(['audit', 'list', '--workspace=demo', '--limit=40'])).split('\n')
  const start = lines.findIndex((line) => line.includes('Agent connected'))
  return lines
    .slice(0, start === -1 ? undefined : start)
    .reverse()
    .join('\n')
}
