import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { Failure } from '../../failure.ts'
import { findStore, storeArgument } from './store-options.ts'

export const command = defineCommand({
  usage: 'STORE [--path=PATH] [--json]',
  description:
    'The server signs in to the store and says what is wrong. With --path it also reads what is there, and prints the names\n' +
    'of the values, one a line; never values.',
  arguments: [storeArgument],
  options: {
    path: { type: 'string', placeholder: 'PATH', summary: 'something that workspaces take' },
    json: jsonOption,
  },
  examples: [
    {
      does: 'find out why a workspace does not start',
      command: 'keyhold store check corp --path=teams/shop',
    },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { id, name } = await findStore(keyhold, args[0] ?? '')
      const { path } = options
      const found = await keyhold.call('store.check', {
        params: { storeId: id },
        body: path === undefined ? {} : { path },
      })
      if (options.json) terminal.printJson(found)
      if (found.problem !== null)
        throw new Failure(`outside store ${name}: ${found.problem}`, {
          hints: found.problem.includes('signs in with')
            ? [`give Keyhold another credential for it: keyhold store edit ${name} --credential`]
            : [],
        })
      if (!options.json) for (const key of found.keys ?? []) terminal.print(key)
      terminal.note(
        path === undefined ? `Keyhold can sign in to ${name}` : `Keyhold can read ${path} of ${name}`,
      )
    }),
})
