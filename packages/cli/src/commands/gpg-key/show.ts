import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { findGpgKey, keyArgument } from './find-gpg-key.ts'

export const command = defineCommand({
  usage: 'KEY [--json]',
  description: 'Prints the armored public key, to paste at a code host or to give to gpg --import.',
  arguments: [keyArgument],
  options: { json: jsonOption },
  examples: [
    { does: 'let gpg verify your commits', command: 'keyhold gpg-key show ann@example.com | gpg --import' },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const key = await findGpgKey(keyhold, args[0] ?? '')
      if (options.json) terminal.printJson(key)
      else terminal.print(key.publicKey.trimEnd())
    }),
})
