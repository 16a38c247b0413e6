import { execFileSync, type StdioOptions } from 'node:child_process'
import { renameSync, writeFileSync } from 'node:fs'

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
  const helper = `!KEYHOLD_AGENT_SOCKET=${shellQuoted(socketPath)} ${ownCommand()} git-credential`
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

/**
 * What git reads in place of the configuration of the machine, which it includes. Signing is said here, where it counts last:
 * a repository or a person that says otherwise is heard.
 * @param fingerprint of the key; undefined: nothing is signed.
 */
export function gitSystemConfiguration(machine: string, gpgProgram: string, fingerprint?: string): string {
  const signing =
    fingerprint === undefined
      ? []
      : [
          ...['[user]', `\tsigningKey = ${fingerprint}`, '[gpg]', `\tprogram = ${configQuoted(gpgProgram)}`],
          ...['[commit]', '\tgpgSign = true', '[tag]', '\tgpgSign = true'],
        ]
  return [
    '# Written by keyhold agent, which writes it anew.',
    ...signing,
    // After ours: what the machine says counts for more.
    ...['[include]', `\tpath = ${configQuoted(machine)}`, ''],
  ].join('\n')
}

/** Where git has the configuration of this machine. */
export function machineGitConfig(env: NodeJS.ProcessEnv): string {
  if (env.GIT_CONFIG_SYSTEM) return env.GIT_CONFIG_SYSTEM
  try {
    const stdio: StdioOptions = ['ignore', 'pipe', 'ignore']
    const said = execFileSync('git', ['var', 'GIT_CONFIG_SYSTEM'], { encoding: 'utf8', stdio })
    return said.split('\n')[0] || '/etc/gitconfig'
  } catch {
    // Before git 2.42 it does not say.
    return '/etc/gitconfig'
  }
}

/** Git starts one file, without arguments and without a shell (gpg.program). */
export function writeGpgProgram(path: string, socketPath: string): void {
  const text = `#!/bin/sh\nKEYHOLD_AGENT_SOCKET=${shellQuoted(socketPath)} exec ${ownCommand()} git-gpg "$@"\n`
  writeFileSync(`${path}.new`, text, { mode: 0o700 })
  renameSync(`${path}.new`, path)
}

/** Starts this very program, for a shell. */
export function ownCommand(): string {
  const { execPath, argv } = process
  const words = argv[1] === undefined || argv[1] === execPath ? [execPath] : [execPath, argv[1]]
  return words.map(shellQuoted).join(' ')
}

export const shellQuoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`

/** A value of a configuration file (git-config(1), SYNTAX). */
export const configQuoted = (text: string) => `"${text.replaceAll(/["\\]/g, '\\$&')}"`
