import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { findGpgKey, keyArgument, sayDeployments } from './find-gpg-key.ts'

export const command = defineCommand({
  usage: 'KEY [--json]',
  description:
    'Adds the public key to your account at every code host you have connected, and says what became of it.',
  arguments: [keyArgument],
  options: { json: jsonOption },
  examples: [
    { does: 'deploy after connecting a code host', command: 'keyhold gpg-key publish ann@example.com' },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { id } = await findGpgKey(keyhold, args[0] ?? '')
      const key = await keyhold.call('gpg-key.publish', { params: { gpgKeyId: id } })
      if (options.json) terminal.printJson(key.deployments)
      sayDeployments(terminal, key)
    }),
})
