import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { confirmTyped } from '../../present.ts'
import { findStore, storeArgument } from './store-options.ts'

export const command = defineCommand({
  usage: 'STORE [--confirm=NAME]',
  description:
    'You are asked to type the name. Workspaces that take something of it start without that from then on. Nothing is\n' +
    'changed in the store itself: take back what Keyhold signed in with there.',
  arguments: [storeArgument],
  options: {
    confirm: { type: 'string', placeholder: 'NAME', summary: 'the name, exactly, in place of being asked' },
  },
  examples: [{ does: 'remove a store in a script', command: 'keyhold store remove corp --confirm=corp' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { id, name, details } = await findStore(keyhold, args[0] ?? '')
      const count = details?.sources ?? 0
      confirmTyped(
        terminal,
        options.confirm,
        name,
        `workspaces take ${count} of its paths, and will do without`,
      )
      await keyhold.call('store.delete', { params: { storeId: id }, query: { confirm: name } })
      terminal.note(`outside store ${name} removed`)
      terminal.hint('take back its token or key in the store itself')
    }),
})
