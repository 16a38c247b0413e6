import { scopeNames } from '@keyhold/contract/actions'
import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { parsedTime } from '../../present.ts'

export const command = defineCommand({
  usage: 'NAME [--scope=SCOPE]… [--expires=WHEN]',
  description:
    'Prints the token alone on standard output, this once. Without --scope it has all your rights, so give those that it needs.',
  arguments: [{ name: 'NAME', summary: 'what the token is for, such as laptop or deploy' }],
  options: {
    scope: {
      type: 'string',
      placeholder: 'SCOPE',
      summary: 'what the token may do',
      choices: scopeNames,
      isRepeatable: true,
    },
    expires: { type: 'string', placeholder: 'WHEN', summary: '90d, 12h or 2026-12-31; default: no expiry' },
    json: jsonOption,
  },
  examples: [
    {
      does: 'a token that lists names, for 30 days',
      command: 'keyhold token create ci --scope=secrets:read --expires=30d',
    },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [name = ''] = args
      const { scope, expires } = options
      const answer = await keyhold.call('access-token.create', {
        body: {
          name,
          ...(scope.length > 0 && { scopes: [...new Set(scope)] as typeof scopeNames }), // `as`: all are choices.
          ...(expires !== undefined && { expiresAt: parsedTime(expires, 'expires', 1) }),
        },
      })
      if (options.json) terminal.printJson(answer)
      else terminal.print(answer.token)
      terminal.note(`access token ${answer.accessToken.name} created; it is shown this once`)
      terminal.note('do not share it; keep it where secrets are kept, and make a new one every 90 days')
      terminal.hint(`if it leaks: keyhold token delete ${answer.accessToken.id}`)
    }),
})
