import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'

export const command = defineCommand({
  usage: '[--json]',
  description: 'Prints the line to register at hosts outside. The private key never leaves the server.',
  options: { json: jsonOption },
  examples: [
    { does: 'see the public key', command: 'keyhold identity show' },
    { does: 'let it into a host', command: "keyhold identity show | ssh host 'cat >> .ssh/authorized_keys'" },
  ],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const identity = await keyhold.call('ssh-identity.get')
      if (options.json) return terminal.printJson(identity)
      terminal.print(identity.publicKey)
      terminal.note(`fingerprint ${identity.publicKeyFingerprint}`)
    }),
})
