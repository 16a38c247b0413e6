import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { usageFailure } from '../../failure.ts'
import { caOption, readCa } from '../repository-provider/provider-options.ts'
import { findStore, pathOption, readStoreCredential, storeArgument } from './store-options.ts'

export const command = defineCommand({
  usage: 'STORE [--name=NAME] [--credential] [--path=PATH]… [--ca=FILE | --no-ca]',
  description:
    'With --credential the new token, secret id, key or client secret is read from standard input or a prompt. With --path\n' +
    'the paths that are given take the place of all that there were.',
  arguments: [storeArgument],
  options: {
    name: { type: 'string', placeholder: 'NAME', summary: 'another name' },
    credential: { type: 'boolean', summary: 'replace what Keyhold signs in with' },
    path: pathOption,
    ca: caOption,
    'no-ca': { type: 'boolean', summary: 'trust the usual certificates again' },
    json: jsonOption,
  },
  examples: [
    { does: 'give Keyhold a new token', command: 'keyhold store edit corp --credential < token.txt' },
    {
      does: 'change what workspaces may take',
      command: "keyhold store edit corp --path='people/{owner}/*' --path='shared/dev'",
    },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { name, credential: isNew, path, ca, 'no-ca': isWithoutCa } = options
      if (name === undefined && !isNew && path.length === 0 && ca === undefined && !isWithoutCa)
        throw usageFailure('there is nothing to change', 'see keyhold store edit --help')
      if (ca !== undefined && isWithoutCa)
        throw usageFailure('--ca and --no-ca exclude each other', 'leave one of them out')
      const store = await findStore(keyhold, args[0] ?? '')
      const changed = await keyhold.call('store.update', {
        params: { storeId: store.id },
        body: {
          ...(name !== undefined && { name }),
          ...(isNew && { credential: await readStoreCredential(terminal, 'credential') }),
          ...(path.length > 0 && { paths: [...new Set(path)] }),
          ...(ca !== undefined && { ca: readCa(ca) }),
          ...(isWithoutCa && { ca: null }),
        },
      })
      if (options.json) return terminal.printJson(changed)
      terminal.note(`outside store ${changed.name} changed`)
    }),
})
