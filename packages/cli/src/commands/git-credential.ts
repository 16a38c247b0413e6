import { readFileSync } from 'node:fs'
import { askAgent } from '../agent/requests.ts'
import { defineCommand } from '../command.ts'

/** Of what git says; a host name has at most 255. */
const INPUT_CHARACTERS_MAX = 64 * 1024

export const command = defineCommand({
  usage: 'get|store|erase',
  description: `Speaks the protocol of git's credential helpers (git-credential(1)) on standard input and output. In a workspace
git is told to call it for the code hosts that the owner of the workspace has connected, and for no other: only by https,
and only where host and port are the same to the letter. It stores nothing.`,
  arguments: [{ name: 'OPERATION', summary: 'get, store or erase' }],
  options: {},
  examples: [
    {
      does: 'see whether a host is connected',
      command: "printf 'protocol=https\\nhost=github.com\\n' | keyhold git-credential get | grep username",
    },
  ],
  async run({ args: [operation], env, terminal }) {
    // Git wants others to be ignored, and what it wants stored is ours already.
    if (operation !== 'get' && operation !== 'erase') return
    const asked = parseAttributes(readFileSync(0))
    const host = asked?.get('host')
    if (asked?.get('protocol') !== 'https' || !host) return
    if (operation === 'erase') {
      const password = asked.get('password')
      if (password) await askAgent(env, 'git-credential-rejected', { host, password })
      return
    }
    const { credential } = await askAgent(env, 'git-credential', { host })
    if (credential === undefined) return
    const { username, password, expiresAtMs } = credential
    const expiry = expiresAtMs === null ? [] : [`password_expiry_utc=${Math.floor(expiresAtMs / 1000)}`]
    terminal.print([`username=${username}`, `password=${password}`, ...expiry].join('\n'))
  },
})

/**
 * Reads what git says, up to an empty line. @returns undefined for anything that two programs could read in two ways, such as
 * a carriage return or a second host (CVE-2020-5260, CVE-2024-52006).
 */
function parseAttributes(input: Buffer): ReadonlyMap<string, string> | undefined {
  const text = input.toString('utf8')
  if (text.length > INPUT_CHARACTERS_MAX || /[\r\0\ufffd]/.test(text)) return undefined
  const attributes = new Map<string, string>()
  for (const line of text.split('\n')) {
    if (line === '') break
    const at = line.indexOf('=')
    if (at < 1) return undefined
    const name = line.slice(0, at)
    // Those of several values, such as wwwauth[], say nothing here.
    if (name.endsWith('[]')) continue
    if (attributes.has(name)) return undefined
    attributes.set(name, line.slice(at + 1))
  }
  return attributes
}
