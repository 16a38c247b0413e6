import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const MARK =
  '# Keyhold: ssh in this workspace signs with the identity of its owner. See "keyhold agent --help".'

/**
 * What ssh includes in a workspace (ssh_config(5)): the agent of Keyhold where no other one is, so that one that was
 * forwarded into a session counts there, and nothing when nobody listens.
 */
export function sshConfiguration(sshAgent: string): string {
  return [
    '# Written by keyhold agent, which writes it anew.',
    // The shell that ssh starts sees no word where the variable is empty, and `test -z` is then true.
    `Match exec "test -z $SSH_AUTH_SOCK && test -S ${sshAgent}"`,
    `  IdentityAgent ${sshAgent}`,
    '',
  ].join('\n')
}

/**
 * Has ~/.ssh/config include the file, at its end: what the person has chosen comes first, and the first counts. Where an
 * agent is chosen there already nothing is changed. @throws system errors.
 */
export function includeSshConfiguration(home: string, sshConfig: string): void {
  // What ssh would read in another way is left alone.
  if (!/^[A-Za-z0-9/._-]+$/.test(sshConfig)) return
  const path = join(home, '.ssh/config')
  const before = existsSync(path) ? readFileSync(path, 'utf8') : ''
  const lines = before.split('\n')
  const at = lines.indexOf(MARK)
  // Three lines: the mark, what makes it count for all hosts, and the file.
  const own = at === -1 ? lines : lines.toSpliced(at, 3)
  if (own.some((line) => /^\s*IdentityAgent\b/i.test(line))) return
  const text = `${own.join('\n').replace(/\n*$/, own.length > 1 ? '\n' : '')}${MARK}\nMatch all\nInclude ${sshConfig}\n`
  if (text === before) return
  mkdirSync(join(home, '.ssh'), { recursive: true, mode: 0o700 })
  writeFileSync(`${path}.keyhold`, text, { mode: 0o600 })
  renameSync(`${path}.keyhold`, path)
}
