import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { usageFailure } from '../../failure.ts'

export const command = defineCommand({
  usage: 'EMAIL --name=NAME [--admin]',
  description:
    'For administrators. Prints a temporary password, this once; it has to be changed at the first sign-in.',
  arguments: [{ name: 'EMAIL', summary: 'e-mail address' }],
  options: {
    name: { type: 'string', placeholder: 'NAME', summary: 'name of the person' },
    admin: { type: 'boolean', summary: 'make the account an administrator of the instance' },
    json: jsonOption,
  },
  examples: [{ does: 'create an account', command: 'keyhold account create ada@example.com --name=Ada' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [email = ''] = args
      const { name } = options
      if (name === undefined) throw usageFailure('--name is missing')
      const answer = await keyhold.call('account.create', {
        body: { email, name, role: options.admin ? 'admin' : 'member' },
      })
      if (options.json) terminal.printJson(answer)
      else terminal.print(answer.temporaryPassword)
      terminal.note(`account ${answer.account.email} created; its temporary password is shown this once`)
      terminal.hint(
        `with it they sign in: keyhold login --url=${keyhold.url} --email=${answer.account.email}`,
      )
      terminal.hint(`give them a project: keyhold member add ${answer.account.email} --project=…`)
    }),
})
