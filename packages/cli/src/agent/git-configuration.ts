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

/** Starts this very program, for a shell. */
export function ownCommand(): string {
  const { execPath, argv } = process
  const words = argv[1] === undefined || argv[1] === execPath ? [execPath] : [execPath, argv[1]]
  return words.map(shellQuoted).join(' ')
}

export const shellQuoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`

/** A value of a configuration file (git-config(1), SYNTAX). */
export const configQuoted = (text: string) => `"${text.replaceAll(/["\\]/g, '\\$&')}"`
