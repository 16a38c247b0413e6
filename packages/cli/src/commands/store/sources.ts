import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { sayEmpty } from '../../present.ts'
import { findWorkspace } from '../workspace/find-workspace.ts'
import { shownVariables } from './store-options.ts'

export const command = defineCommand({
  usage: 'WORKSPACE [--json]',
  arguments: [{ name: 'WORKSPACE', summary: 'name or id' }],
  options: { json: jsonOption },
  examples: [{ does: 'see what a workspace takes of outside stores', command: 'keyhold store sources api' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const workspace = await findWorkspace(keyhold, args[0] ?? '')
      const { sources } = await keyhold.call('store-source.list', { params: { workspaceId: workspace.id } })
      if (options.json) return terminal.printJson(sources)
      if (sources.length === 0)
        return sayEmpty(
          terminal,
          `workspace ${workspace.name} takes nothing of outside stores`,
          `let it take something: keyhold store connect ${workspace.name} STORE PATH`,
        )
      terminal.printTable(
        ['STORE', 'PATH', 'VARIABLES', 'IF IT FAILS', 'ALLOWED'],
        sources.map((source) => [
          source.store,
          source.path,
          shownVariables(source),
          source.onFailure === 'stop' ? 'no start' : 'warning',
          source.isAllowed ? 'yes' : 'no',
        ]),
      )
    }),
})
