import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { loginNamePattern } from '@keyhold/contract/api/workspace-agents'
import type { CallAnswer } from '@keyhold/sdk'
import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { codeOf, Failure } from '../../failure.ts'

const CONFIG = 'keyhold_config'
const KNOWN_HOSTS = 'keyhold_known_hosts'

export const command = defineCommand({
  usage: '[--directory=DIRECTORY]',
  description: `Writes ${CONFIG} and ${KNOWN_HOSTS}, and has ~/.ssh/config include the first one. From then on "ssh WORKSPACE-ID" enters a
workspace, and "ssh NAME.keyhold" too where its name is of letters, digits and hyphens. ssh knows gateway and workspaces without
asking, and so does every editor that reads that file. Run it again after workspaces were created.`,
  options: {
    directory: { type: 'string', placeholder: 'DIRECTORY', summary: 'in place of ~/.ssh' },
  },
  examples: [{ does: 'let ssh know the way', command: 'keyhold ssh setup' }],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const directory = options.directory ?? join(homedir(), '.ssh')
      const gateway = await keyhold.call('ssh.get')
      const { workspaces } = await keyhold.call('workspace.list')
      const open = workspaces.filter(({ level }) => level !== 'view')
      const users = open.flatMap(({ id, name, agent }) =>
        agent ? [{ id, name, user: agent.loginName }] : [],
      )
      assertPlain(gateway, users)
      try {
        mkdirSync(directory, { recursive: true, mode: 0o700 })
        replace(join(directory, KNOWN_HOSTS), knownHosts(gateway))
        replace(join(directory, CONFIG), configuration(directory, gateway, users))
        include(join(directory, 'config'))
      } catch (error) {
        throw new Failure(`${directory} cannot be written (${codeOf(error)})`)
      }
      terminal.note(`ssh knows the way: ${directory}/${CONFIG}`)
      for (const { id, name, agent } of open)
        terminal.note(`  ssh ${id}   ${name}${agent ? '' : ', which no machine has joined yet'}`)
      if (open.length === 0)
        terminal.hint('make a workspace, then run this again: keyhold workspace create NAME')
    }),
})

type Gateway = CallAnswer<'ssh.get'>

/** A name, or an address of IPv4 or IPv6. What begins with a hyphen is an option to ssh. */
const HOST = /^[a-z0-9][a-z0-9._-]*$|^[0-9a-f]*:[0-9a-f:.]+$/i
const KEY = /^ssh-ed25519 [a-z0-9+/=]+$/i

/**
 * What becomes lines of ssh's configuration is looked at, whoever says it: a line more there is a command that ssh runs on
 * this machine (CVE-2023-51385). @throws Failure
 */
function assertPlain(
  { host, port, hostKey, certificateAuthority }: Gateway,
  users: readonly { id: string; user: string }[],
): void {
  const isPlain =
    HOST.test(host) &&
    Number.isInteger(port) &&
    [hostKey, certificateAuthority].every((line) => KEY.test(line)) &&
    users.every(({ id, user }) => /^ws-[a-z0-9]+$/.test(id) && new RegExp(loginNamePattern).test(user))
  if (!isPlain) throw new Failure('the server says something that ssh must not be told; nothing was written')
}

function knownHosts({ host, port, hostKey, certificateAuthority }: Gateway): string {
  const name = port === 22 ? host : `[${host}]:${port}`
  return `${name} ${hostKey}\n@cert-authority ws-* ${certificateAuthority}\n`
}

function configuration(
  directory: string,
  { host, port }: Gateway,
  users: readonly { id: string; name: string; user: string }[],
): string {
  // The first one is where ssh writes what the person accepts: ours is written anew each time.
  const known = ['known_hosts', KNOWN_HOSTS].map((name) => `"${join(directory, name)}"`).join(' ')
  const own = users.flatMap(({ id, name, user }) => [
    `Host ${[id, ...aliasOf(name, users)].join(' ')}`,
    `  HostName ${id}`,
    `  User ${user}`,
  ])
  return [
    '# Written by "keyhold ssh setup", which writes it anew.',
    ...own,
    'Host ws-* *.keyhold',
    `  ProxyJump ${port === 22 ? host : `${host}:${port}`}`,
    `  UserKnownHostsFile ${known}`,
    // The jump host does not inherit what is said of the destination. It counts for each port of that host, which does no harm:
    // ssh looks into the person's own file as well, and writes there.
    `Host ${host}`,
    `  UserKnownHostsFile ${known}`,
    '',
  ].join('\n')
}

/** @returns `NAME.keyhold`, where the name can be a word of ssh's and only one has it. */
function aliasOf(name: string, all: readonly { name: string }[]): string[] {
  const isOnly = all.filter((one) => one.name.toLowerCase() === name.toLowerCase()).length === 1
  return isOnly && /^[a-z0-9][a-z0-9-]{0,62}$/i.test(name) ? [`${name}.keyhold`] : []
}

function replace(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

/** At the top: what stands below a Host line counts for that host only. */
function include(path: string): void {
  const line = `Include ${CONFIG}`
  const before = existsSync(path) ? readFileSync(path, 'utf8') : ''
  if (before.split('\n').some((one) => one.trim() === line)) return
  replace(path, `${line}\n\n${before}`)
}
