import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { Failure } from '../../failure.ts'
import { confirmed, yesOption } from '../../present.ts'

export const command = defineCommand({
  usage: 'TOKEN [--yes]',
  description: 'Its next use gets 401.',
  arguments: [{ name: 'TOKEN', summary: 'id, or name if only one token has it; not the token itself' }],
  options: { yes: yesOption },
  examples: [{ does: 'delete a token', command: 'keyhold token delete laptop' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [wanted = ''] = args
      const { accessTokens } = await keyhold.call('access-token.list')
      const named = accessTokens.filter(({ name }) => name === wanted)
      const token =
        accessTokens.find(({ id }) => id === wanted) ?? (named.length === 1 ? named[0] : undefined)
      if (token === undefined) {
        // What was typed is not repeated: it may be a token.
        throw new Failure(
          named.length > 1
            ? `${named.length} of your access tokens have this name`
            : 'access token not found (access_token.not_found)',
          { hints: ['your access tokens, with their ids: keyhold token list'] },
        )
      }
      confirmed(terminal, options.yes, `delete access token ${token.name} (${token.partialToken})?`)
      await keyhold.call('access-token.delete', { params: { accessTokenId: token.id } })
      terminal.note(`access token ${token.name} deleted`)
    }),
})
