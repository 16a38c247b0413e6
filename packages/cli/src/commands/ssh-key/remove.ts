import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { Failure } from '../../failure.ts'
import { confirmed, yesOption } from '../../present.ts'

export const command = defineCommand({
  usage: 'KEY [--yes]',
  description: 'A new connection with it is refused at once.',
  arguments: [{ name: 'KEY', summary: 'fingerprint, or title if only one key has it' }],
  options: { yes: yesOption },
  examples: [
    { does: 'remove the key of a machine that is gone', command: 'keyhold ssh-key remove ann@laptop' },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [wanted = ''] = args
      const keys = await keyhold.call('ssh-key.list')
      const titled = keys.filter(({ title }) => title === wanted)
      if (titled.length > 1) {
        throw new Failure(`${titled.length} of your SSH keys have this title`, {
          hints: ['your SSH keys, with their fingerprints: keyhold ssh-key list'],
        })
      }
      const bare = wanted.replace(/^SHA256:/i, '').replace(/=$/, '')
      const key = titled[0] ?? keys.find((one) => one.publicKeyFingerprint === `SHA256:${bare}`)
      // Other forms of a fingerprint are for the server to read, and so is the answer that there is no such key.
      const publicKeyFingerprint = key?.publicKeyFingerprint ?? wanted
      confirmed(terminal, options.yes, `remove SSH key ${key?.title ?? wanted}?`)
      await keyhold.call('ssh-key.delete', { query: {}, body: { publicKeyFingerprint } })
      terminal.note(`SSH key ${key?.title ?? wanted} removed`)
    }),
})
