import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { confirmed, yesOption } from '../../present.ts'
import { findApiKey } from './api-key-options.ts'

export const command = defineCommand({
  usage: 'KEY [--yes]',
  description:
    'From now on no request carries it. At the service itself it stays valid until you revoke it there.',
  arguments: [{ name: 'KEY', summary: 'name or id; not the key itself' }],
  options: { yes: yesOption },
  examples: [{ does: 'delete a key', command: 'keyhold api-key delete assistant' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [wanted = ''] = args
      const key = await findApiKey(keyhold, wanted)
      confirmed(terminal, options.yes, `delete API key ${key.name} (${key.allowedHosts.join(', ')})?`)
      await keyhold.call('api-key.delete', { params: { apiKeyId: key.id } })
      terminal.note(`API key ${key.name} deleted`)
      terminal.hint('revoke it at the service as well')
    }),
})
