import { connected } from '../client.ts'
import { defineCommand } from '../command.ts'
import { Failure } from '../failure.ts'
import { shownTime } from '../present.ts'

export const command = defineCommand({
  usage: '[CODE]',
  description:
    'Shows which machine asks to be signed in as you, and from where. When you approve it, prints a code; type that on the\n' +
    'machine where you began. Give it to nobody: whoever has it is signed in as you. Anything but yes turns the machine away.',
  arguments: [
    { name: 'CODE', summary: 'what "keyhold login" printed there; asked for when missing', isOptional: true },
  ],
  options: {},
  examples: [{ does: 'sign another machine in', command: 'keyhold approve-login 7KQ2-9FZD' }],
  run: ({ args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const userCode = args[0] ?? terminal.ask('code that "keyhold login" printed:').trim()
      const login = await keyhold.call('device-login.get', { body: { userCode } })
      terminal.note(`${login.name} asks to be signed in as you`)
      terminal.note(
        `  from ${login.address ?? 'an unknown address'}, at ${shownTime(login.createdAt)} UTC, with ${login.client ?? 'an unknown client'}`,
      )
      const { scopes, expiresAt } = login.token
      terminal.note(
        `  it may do ${scopes === null ? 'all that you may' : scopes.join(', ')}, until ${shownTime(expiresAt)}`,
      )
      terminal.note('approve it only if you began this yourself, just now')
      if (!terminal.confirm('approve?')) {
        await keyhold.call('device-login.deny', { body: { userCode } })
        throw new Failure('turned away; nobody was signed in')
      }
      const { confirmationCode } = await keyhold.call('device-login.approve', { body: { userCode } })
      terminal.print(confirmationCode)
      terminal.note('type this code there, on your own machine; give it to nobody')
      terminal.hint('to take it back later: keyhold token list, keyhold token delete')
    }),
})
