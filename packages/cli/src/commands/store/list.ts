import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { sayEmpty } from '../../present.ts'

export const command = defineCommand({
  usage: '[--json]',
  options: { json: jsonOption },
  examples: [
    { does: 'see which outside stores there are, and what may be taken', command: 'keyhold store list' },
  ],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { stores } = await keyhold.call('store.list')
      if (options.json) return terminal.printJson(stores)
      if (stores.length === 0)
        return sayEmpty(
          terminal,
          'no outside store is registered',
          'an administrator registers one: keyhold store add NAME vault --address=URL --path=PATH',
        )
      terminal.printTable(
        ['NAME', 'KIND', 'PATHS', 'ADDRESS', 'ID'],
        stores.map(({ name, kind, paths, details, id }) => [
          name,
          kind,
          paths.join(' '),
          details?.address ?? '',
          id,
        ]),
      )
    }),
})
