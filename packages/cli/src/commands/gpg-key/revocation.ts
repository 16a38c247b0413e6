import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { Failure } from '../../failure.ts'
import { findGpgKey, keyArgument } from './find-gpg-key.ts'

export const command = defineCommand({
  usage: 'KEY',
  description:
    'Prints a certificate that, once published, tells everybody not to trust the key any more. Keep it where only you get\n' +
    'at it: whoever has it can publish it.',
  arguments: [keyArgument],
  options: {},
  examples: [
    { does: 'keep one for bad days', command: 'keyhold gpg-key revocation ann@example.com > revoke.asc' },
  ],
  run: ({ args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { id } = await findGpgKey(keyhold, args[0] ?? '')
      const { revocationCertificate } = await keyhold.call('gpg-key.revocation', { params: { gpgKeyId: id } })
      if (revocationCertificate === null) {
        throw new Failure('the primary key is kept elsewhere, and only it can revoke', {
          hints: ['where it is: gpg --generate-revocation KEY'],
        })
      }
      terminal.print(revocationCertificate.trimEnd())
    }),
})
