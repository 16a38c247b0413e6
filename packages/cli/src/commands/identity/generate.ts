import { KeyholdError } from '@keyhold/sdk'
import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { confirmed, yesOption } from '../../present.ts'

export const command = defineCommand({
  usage: '[--type=TYPE] [--replace [--yes]]',
  description:
    'Makes the key pair by which your workspaces are known outside, one for all of them. With --replace the old one stops\n' +
    'working everywhere at once, and the new public key has to be registered at every host.',
  options: {
    type: {
      type: 'string',
      placeholder: 'TYPE',
      summary: 'default ed25519; rsa for hosts that know nothing newer',
      choices: ['ed25519', 'rsa'],
    },
    replace: { type: 'boolean', summary: 'replace the identity there is' },
    yes: yesOption,
    json: jsonOption,
  },
  examples: [{ does: 'make your identity', command: 'keyhold identity generate' }],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const type = options.type as 'ed25519' | 'rsa' | undefined // `as`: one of the choices.
      if (options.replace) {
        const old = await keyhold.call('ssh-identity.get').catch((error: unknown) => {
          if (error instanceof KeyholdError && error.code === 'ssh_identity.not_found') return undefined
          throw error
        })
        if (old !== undefined) {
          if (!options.yes)
            terminal.note('hosts that know the old key will refuse you until you register the new one there')
          confirmed(terminal, options.yes, `replace ${old.publicKeyFingerprint}?`)
        }
      }
      const body = { replace: options.replace, ...(type !== undefined && { type }) }
      const identity = await keyhold.call('ssh-identity.create', { body })
      if (options.json) terminal.printJson(identity)
      else terminal.print(identity.publicKey)
      terminal.note(`SSH identity generated, fingerprint ${identity.publicKeyFingerprint}`)
      terminal.hint('register this public key at the hosts that your workspaces log in to')
    }),
})
