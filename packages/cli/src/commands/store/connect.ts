import { failureModes } from '@keyhold/contract/api/stores'
import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { findWorkspace } from '../workspace/find-workspace.ts'
import { findStore, readVariables, shownVariables, storeArgument } from './store-options.ts'

export const command = defineCommand({
  usage: 'WORKSPACE STORE PATH [--variable=NAME[=KEY]]… [--on-failure=stop|warn]',
  description:
    'Fetched whenever the agent of the workspace starts, and kept in no database. A value that changes in the store is seen at\n' +
    'the next start. Without --variable each value goes into a variable of its own name. Everything else that the workspace\n' +
    'gets goes before it.',
  arguments: [
    { name: 'WORKSPACE', summary: 'name or id' },
    storeArgument,
    { name: 'PATH', summary: 'where the values are in the store; without mount and data/ for Vault' },
  ],
  options: {
    variable: {
      type: 'string',
      placeholder: 'NAME[=KEY]',
      summary: 'variable, and which of the values it gets; without =KEY all that is at the path',
      isRepeatable: true,
    },
    'on-failure': {
      type: 'string',
      placeholder: 'stop|warn',
      summary: 'when it cannot be fetched: no start (the default), or a start with a warning',
      choices: failureModes,
    },
    json: jsonOption,
  },
  examples: [
    {
      does: 'take two values',
      command:
        'keyhold store connect api corp teams/shop --variable=DB_USER=user --variable=DB_PASSWORD=password',
    },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [wanted = '', storeName = '', path = ''] = args
      const workspace = await findWorkspace(keyhold, wanted)
      const store = await findStore(keyhold, storeName)
      const variables = readVariables(options.variable)
      const mode = options['on-failure'] as (typeof failureModes)[number] | undefined // `as`: one of the choices.
      const source = await keyhold.call('store-source.create', {
        params: { workspaceId: workspace.id },
        body: {
          storeId: store.id,
          path,
          ...(variables.length > 0 && { variables }),
          ...(mode !== undefined && { onFailure: mode }),
        },
      })
      if (options.json) return terminal.printJson(source)
      terminal.note(`${workspace.name} takes ${path} of ${store.name}: ${shownVariables(source)}`)
      terminal.hint('it is fetched when the agent starts the next time')
    }),
})
