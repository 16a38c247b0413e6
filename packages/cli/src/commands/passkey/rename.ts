import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { findPasskey } from './find-passkey.ts'

export const command = defineCommand({
  usage: 'PASSKEY NAME',
  description: 'The name is for you alone.',
  arguments: [
    { name: 'PASSKEY', summary: 'id, or name if only one passkey has it' },
    { name: 'NAME', summary: 'the new name' },
  ],
  options: {},
  examples: [{ does: 'say which laptop it was', command: 'keyhold passkey rename laptop "old laptop"' }],
  run: ({ args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [wanted = '', name = ''] = args
      const passkey = findPasskey((await keyhold.call('passkey.list')).passkeys, wanted)
      await keyhold.call('passkey.update', { params: { passkeyId: passkey.id }, body: { name } })
      terminal.note(`passkey ${passkey.name} is now ${name}`)
    }),
})
