import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { usageFailure } from '../../failure.ts'
import { apiKeyFields, apiKeyOptions, readApiKey, shownPlacement } from './api-key-options.ts'

export const command = defineCommand({
  usage:
    'NAME (--service=PRESET | --base-url=URL (--bearer | --header=NAME | --query=NAME | --basic=USER)) [--allow-host=HOST]… [--expires=WHEN]',
  description:
    'Keeps a key that an outside service gave you. It is taken from standard input, or from a prompt when that is a terminal, and\n' +
    'leaves Keyhold only in requests to the hosts that it is for: nothing shows it again.',
  arguments: [{ name: 'NAME', summary: 'what you call the key' }],
  options: { ...apiKeyOptions, json: jsonOption },
  examples: [
    {
      does: 'a key of a service that is known, typed unseen',
      command: 'keyhold api-key create assistant --service=openai --expires=90d',
    },
    {
      does: 'one that may only read, of a service of your own',
      command:
        'keyhold api-key create stock --base-url=https://stock.example.com/v1 --header=x-api-key --method=GET < key.txt',
    },
  ],
  run: ({ options, args, env, terminal }) => {
    const fields = apiKeyFields(options)
    // Said before the key is asked for.
    if (fields.service === undefined && fields.baseUrl === undefined) {
      throw usageFailure(
        'say which service the key is for',
        'one that is known: --service=PRESET, from keyhold api-key presets',
        'any other: --base-url=URL, with --bearer, --header=NAME, --query=NAME or --basic=USER',
      )
    }
    return connected(env, 'person', async (keyhold) => {
      const [name = ''] = args
      const value = await readApiKey(terminal, name)
      const key = await keyhold.call('api-key.create', { body: { name, value, ...fields } })
      if (options.json) return terminal.printJson(key)
      terminal.note(
        `API key ${key.name} created; it goes to ${key.allowedHosts.join(', ')} only, as ${shownPlacement(key.placement)}`,
      )
    })
  },
})
