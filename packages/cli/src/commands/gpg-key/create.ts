import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { parsedTime } from '../../present.ts'
import { sayDeployments } from './find-gpg-key.ts'

export const command = defineCommand({
  usage: '[--name=NAME] [--email=ADDRESS] [--expires=WHEN] [--no-publish]',
  description:
    'Makes a key that signs commits, prints its key id, and deploys it to the code hosts you have connected. The private\n' +
    'key never leaves the server. Code hosts show a commit as verified when its address is one of yours there.',
  options: {
    name: { type: 'string', placeholder: 'NAME', summary: 'default: that of your account' },
    email: {
      type: 'string',
      placeholder: 'ADDRESS',
      summary: 'of your commits; default: that of your account',
    },
    expires: { type: 'string', placeholder: 'WHEN', summary: '365d or 2027-12-31; default: no expiry' },
    'no-publish': { type: 'boolean', summary: 'do not deploy it' },
    json: jsonOption,
  },
  examples: [{ does: 'a key for two years', command: 'keyhold gpg-key create --expires=730d' }],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { name, email, expires } = options
      const answer = await keyhold.call('gpg-key.create', {
        body: {
          ...(name !== undefined && { name }),
          ...(email !== undefined && { email }),
          ...(expires !== undefined && { expiresAt: parsedTime(expires, 'expires', 1) }),
          publish: !options['no-publish'],
        },
      })
      const { gpgKey } = answer
      if (options.json) terminal.printJson(answer)
      else terminal.print(gpgKey.keyId)
      terminal.note(`GPG key of ${gpgKey.userIds.join(', ')} generated, fingerprint ${gpgKey.fingerprint}`)
      sayDeployments(terminal, gpgKey)
      terminal.hint(`keep a revocation certificate: keyhold gpg-key revocation ${gpgKey.keyId} > revoke.asc`)
    }),
})
