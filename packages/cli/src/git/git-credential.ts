import { readFileSync } from 'node:fs'
import { askAgent } from '../agent/requests.ts'

/** Of what git says; a host name has at most 255. */
const INPUT_CHARACTERS_MAX = 64 * 1024

/**
 * Answers git as its credential helper (git-credential(1)): reads standard input. For hosts that are connected only, by https
 * only, and only where host and port are the same to the letter.
 * @returns what git reads; undefined: nothing. @throws Failure
 */
export async function gitCredential(
  operation: string | undefined,
  env: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  // Git wants others to be ignored, and what it wants stored is ours already.
  if (operation !== 'get' && operation !== 'erase') return undefined
  const asked = parseAttributes(readFileSync(0))
  const host = asked?.get('host')
  if (asked?.get('protocol') !== 'https' || !host) return undefined
  if (operation === 'erase') {
    const password = asked.get('password')
    if (password) await askAgent(env, 'git-credential-rejected', { host, password })
    return undefined
  }
  const { credential } = await askAgent(env, 'git-credential', { host })
  if (credential === undefined) return undefined
  const { username, password, expiresAtMs } = credential
  const expiry = expiresAtMs === null ? [] : [`password_expiry_utc=${Math.floor(expiresAtMs / 1000)}`]
  return `${[`username=${username}`, `password=${password}`, ...expiry].join('\n')}\n`
}

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
