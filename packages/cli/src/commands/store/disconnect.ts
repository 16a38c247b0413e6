import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { Failure } from '../../failure.ts'
import { findWorkspace } from '../workspace/find-workspace.ts'
import { storeArgument } from './store-options.ts'

export const command = defineCommand({
  usage: 'WORKSPACE STORE PATH',
  description: 'The agent that runs keeps what it has until it starts again.',
  arguments: [
    { name: 'WORKSPACE', summary: 'name or id' },
    storeArgument,
    { name: 'PATH', summary: 'as keyhold store sources shows it' },
  ],
  options: {},
  examples: [{ does: 'take something no longer', command: 'keyhold store disconnect api corp teams/shop' }],
  run: ({ args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [wanted = '', store = '', path = ''] = args
      const { id: workspaceId, name } = await findWorkspace(keyhold, wanted)
      const { sources } = await keyhold.call('store-source.list', { params: { workspaceId } })
      const found = sources.find((one) => one.path === path && (one.store === store || one.storeId === store))
      if (found === undefined)
        throw new Failure(`${name} takes no ${path} of ${store} (store_source.not_found)`, {
          hints: [`what it takes: keyhold store sources ${name}`],
        })
      await keyhold.call('store-source.delete', { params: { workspaceId, sourceId: found.id } })
      terminal.note(`${name} takes ${path} of ${found.store} no longer`)
    }),
})
