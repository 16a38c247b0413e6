import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { usageFailure } from '../../failure.ts'
import { apiKeyFields, apiKeyOptions, findApiKey, readApiKey } from './api-key-options.ts'

export const command = defineCommand({
  usage: 'KEY [--new-value] [--name=NAME] [--base-url=URL] [--allow-host=HOST]… [--expires=WHEN]',
  description:
    'Replaces an API key, or changes what it is and where it may go, from the next request on. Hosts, methods and paths that are\n' +
    'given take the place of those before.',
  arguments: [{ name: 'KEY', summary: 'name or id; not the key itself' }],
  options: {
    'new-value': { type: 'boolean', summary: 'take a new key from standard input or a prompt' },
    name: { type: 'string', placeholder: 'NAME', summary: 'new name' },
    ...apiKeyOptions,
    'all-methods': { type: 'boolean', summary: 'no longer limited to some methods' },
    'all-paths': { type: 'boolean', summary: 'no longer limited to some paths' },
    json: jsonOption,
  },
  examples: [
    { does: 'rotate a key', command: 'keyhold api-key edit assistant --new-value --expires=90d' },
    { does: 'let it read only', command: 'keyhold api-key edit stock --method=GET --method=HEAD' },
  ],
  run: ({ options, args, env, terminal }) => {
    const { name, method, path, 'new-value': isNew } = options
    if (options['all-methods'] && method.length > 0)
      throw usageFailure('--method and --all-methods exclude each other')
    if (options['all-paths'] && path.length > 0)
      throw usageFailure('--path and --all-paths exclude each other')
    const fields = {
      ...apiKeyFields(options),
      ...(name !== undefined && { name }),
      ...(options['all-methods'] && { allowedMethods: null }),
      ...(options['all-paths'] && { allowedPaths: null }),
    }
    if (!isNew && Object.keys(fields).length === 0)
      throw usageFailure('nothing to change', 'for a new key: --new-value; for the rest see --help')
    return connected(env, 'person', async (keyhold) => {
      const [wanted = ''] = args
      const { id, name: before } = await findApiKey(keyhold, wanted)
      const value = isNew ? { value: await readApiKey(terminal, before) } : {}
      const key = await keyhold.call('api-key.update', {
        params: { apiKeyId: id },
        body: { ...fields, ...value },
      })
      if (options.json) return terminal.printJson(key)
      terminal.note(`API key ${key.name} changed, version ${key.version}`)
    })
  },
})
