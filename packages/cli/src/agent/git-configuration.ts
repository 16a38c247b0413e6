import { execFileSync, type StdioOptions } from 'node:child_process'
import { renameSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A host name or address with its port, as Keyhold names it; anything else could end the line that it is written into. */
const HOST = /^[a-z0-9.-]+(?::\d{1,5})?$|^\[[0-9a-f:.]+\](?::\d{1,5})?$/

/**
 * What git includes in a workspace (git-config(1), gitcredentials(7)). For each connected host a line without a value takes
 * away the helpers that come before it, such as one that would write the token to a disk.
 * @returns undefined when there is nothing to say.
 */
export function gitConfiguration(socketPath: string, hosts: readonly string[]): string | undefined {
  const known = hosts.filter((host) => HOST.test(host)).sort()
  if (known.length === 0) return undefined
  const helper = `!${gitProgram(socketPath)} credential`
  return [
    '# Written by keyhold agent, which writes it anew.',
    ...known.flatMap((host) => [
      `[credential "https://${host}"]`,
      '\thelper =',
      `\thelper = ${configQuoted(helper)}`,
    ]),
    '',
  ].join('\n')
}

/** With what commits and tags are signed, and what git starts for it. */
export type Signing =
  | { readonly format: 'openpgp'; readonly fingerprint: string; readonly program: string }
  | { readonly format: 'ssh'; readonly publicKey: string; readonly program: string }

/**
 * What git reads in place of the configuration of the machine, which it includes. Signing is said here, where it counts last:
 * a repository or a person that says otherwise is heard.
 * @param signing absent: nothing is signed.
 */
export function gitSystemConfiguration(machine: string, signing?: Signing): string {
  return [
    '# Written by keyhold agent, which writes it anew.',
    ...(signing === undefined ? [] : signingLines(signing)),
    // After ours: what the machine says counts for more.
    ...['[include]', `\tpath = ${configQuoted(machine)}`, ''],
  ].join('\n')
}

function signingLines(signing: Signing): string[] {
  const always = ['[commit]', '\tgpgSign = true', '[tag]', '\tgpgSign = true']
  const program = `\tprogram = ${configQuoted(signing.program)}`
  if (signing.format === 'openpgp')
    return ['[user]', `\tsigningKey = ${signing.fingerprint}`, '[gpg]', program, ...always]
  const key = configQuoted(`key::${signing.publicKey}`)
  return ['[user]', `\tsigningKey = ${key}`, '[gpg]', '\tformat = ssh', '[gpg "ssh"]', program, ...always]
}

/** Whether a person signs with a key of their own choice. With another format than theirs git could not use it. */
export function hasOwnSigningKey(env: NodeJS.ProcessEnv): boolean {
  try {
    const stdio: StdioOptions = ['ignore', 'pipe', 'ignore']
    return execFileSync('git', ['config', '--global', '--get', 'user.signingKey'], { env, stdio }).length > 0
  } catch {
    // None, no git, or a configuration that git cannot read either.
    return false
  }
}

/**
 * Where git has the configuration of this machine.
 * @param own the file that the agent writes, which an agent that was started in a session of another finds in its environment.
 */
export function machineGitConfig(
  { GIT_CONFIG_SYSTEM: said, ...env }: NodeJS.ProcessEnv,
  own: string,
): string {
  if (said && resolve(said) !== resolve(own)) return said
  try {
    const stdio: StdioOptions = ['ignore', 'pipe', 'ignore']
    const answer = execFileSync('git', ['var', 'GIT_CONFIG_SYSTEM'], { encoding: 'utf8', env, stdio })
    return answer.split('\n')[0] || '/etc/gitconfig'
  } catch {
    // Before git 2.42 it does not say.
    return '/etc/gitconfig'
  }
}

/** Git starts one file, without arguments and without a shell (gpg.program). */
export function writeGpgProgram(path: string, socketPath: string): void {
  writeProgram(path, `${gitProgram(socketPath, 'exec ')} gpg "$@"`)
}

/** The same for SSH: the key is in this agent, also where another one was forwarded (gpg.ssh.program). */
export function writeSshProgram(path: string, agentPath: string): void {
  writeProgram(path, `SSH_AUTH_SOCK=${shellQuoted(agentPath)} exec ssh-keygen "$@"`)
}

/** Writes a program of one line for a shell, in place of what is there. @throws system errors. */
export function writeProgram(path: string, line: string): void {
  writeFileSync(`${path}.new`, `#!/bin/sh\n${line}\n`, { mode: 0o700 })
  renameSync(`${path}.new`, path)
}

/** Starts the program that is made for git, for a shell. Without what programs of `keyhold run` load beforehand. */
function gitProgram(socketPath: string, how = ''): string {
  const isSource = import.meta.url.endsWith('.ts')
  const entry = fileURLToPath(
    new URL(isSource ? '../git/git-program.ts' : '../git-program.js', import.meta.url),
  )
  const words = [process.execPath, entry].map(shellQuoted).join(' ')
  return `KEYHOLD_AGENT_SOCKET=${shellQuoted(socketPath)} NODE_OPTIONS= ${how}${words}`
}

export const shellQuoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`

/** A value of a configuration file (git-config(1), SYNTAX). */
export const configQuoted = (text: string) => `"${text.replaceAll(/["\\]/g, '\\$&')}"`
