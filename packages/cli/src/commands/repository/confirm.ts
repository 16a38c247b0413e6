import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { Failure } from '../../failure.ts'

const CODE_BYTES_MAX = 64

export const command = defineCommand({
  usage: '[--json]',
  description:
    'Takes the code that the browser shows from standard input or a prompt. Whoever is given a code by somebody else is\n' +
    "asked to hand over their repositories: type only a code of your own browser's.",
  options: { json: jsonOption },
  examples: [{ does: 'finish connecting', command: 'keyhold repository confirm' }],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const typed = Buffer.from(await terminal.readValue('code that the browser shows:')).toString('utf8')
      const code = typed.trim()
      if (code === '' || code.length > CODE_BYTES_MAX)
        throw new Failure('this is no code', { hints: ['it looks like 4K7M-0QXA'] })
      const connection = await keyhold.call('repository.confirm', { body: { code } })
      if (options.json) return terminal.printJson(connection)
      terminal.note(`connected to ${connection.host} as ${connection.login ?? ''}`)
    }),
})
