import { readFileSync } from 'node:fs'
import { isatty } from 'node:tty'
import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { codeOf, Failure } from '../../failure.ts'
import { confirmed, yesOption } from '../../present.ts'

const INPUT_BYTES_MAX = 1024 * 1024

export const command = defineCommand({
  usage: '[FILE] [--any [--yes]] [--json]',
  description:
    'The only hosts that your SSH identity logs in to from your workspaces, known by their host keys. FILE, or standard\n' +
    'input as -, has lines of known_hosts, and takes the place of what there was; without it the hosts are shown.\n' +
    'Commits are signed whatever the hosts. Hosts that are known by certificates cannot be listed.',
  arguments: [{ name: 'FILE', summary: 'lines of known_hosts; - is standard input', isOptional: true }],
  options: {
    any: { type: 'boolean', summary: 'let it log in to any host again' },
    yes: yesOption,
    json: jsonOption,
  },
  examples: [
    { does: 'see for which hosts it is', command: 'keyhold identity destinations' },
    {
      does: 'have it log in to one host only, whose key this machine knows',
      command: 'ssh-keygen -F github.com | keyhold identity destinations -',
    },
    { does: 'have it log in anywhere', command: 'keyhold identity destinations --any' },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const file = args[0]
      if (options.any && file !== undefined) throw new Failure('give a FILE or --any, not both')
      if (options.any) confirmed(terminal, options.yes, 'let your SSH identity log in to any host?')
      const text = file === '-' ? inputText(terminal) : file === undefined ? undefined : fileText(file)
      const wanted = options.any ? [] : text === undefined ? undefined : readKnownHosts(text)
      const identity = wanted
        ? await keyhold.call('ssh-identity.destinations', { body: { destinations: wanted } })
        : await keyhold.call('ssh-identity.get')
      const { destinations } = identity
      if (options.json) return terminal.printJson(destinations)
      for (const { name, publicKey } of destinations) terminal.print(`${name} ${publicKey}`)
      if (destinations.length === 0) terminal.note('your SSH identity logs in to any host')
      else if (wanted)
        terminal.note(`your SSH identity logs in to these hosts only (${destinations.length} keys)`)
    }),
})

function inputText(terminal: { readInput(bytes: number): Uint8Array }): string {
  if (isatty(0)) throw new Failure('standard input is a terminal: pipe lines of known_hosts into it')
  return Buffer.from(terminal.readInput(INPUT_BYTES_MAX)).toString('utf8')
}

function fileText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Failure(`${file} cannot be read (${codeOf(error)})`)
  }
}

/**
 * Reads lines of known_hosts (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT). A name that is hashed there is taken from the comment that
 * `ssh-keygen -F` writes before the line. @throws Failure
 */
function readKnownHosts(text: string): { name: string; publicKey: string }[] {
  const destinations: { name: string; publicKey: string }[] = []
  let found: string | undefined
  for (const [index, line] of text.split('\n').entries()) {
    found = /^# Host (\S+) found/.exec(line)?.[1] ?? found
    if (line.trim() === '' || line.startsWith('#')) continue
    const at = `line ${index + 1}`
    const [names = '', type = '', key = ''] = line.trim().split(/\s+/)
    const name = names.startsWith('|') ? found : names
    if (names.startsWith('@')) throw new Failure(`${at} is about certificates or revocation: name host keys`)
    if (key === '') throw new Failure(`${at} is no line of known_hosts`)
    if (name === undefined)
      throw new Failure(`${at} has its name hashed`, { hints: ['pipe what ssh-keygen -F NAME prints'] })
    destinations.push({ name: name.slice(0, 255), publicKey: `${type} ${key}` })
  }
  if (destinations.length === 0)
    throw new Failure('there is no host in it', { hints: ['lift the list with --any'] })
  return destinations
}
