import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { confirmed, yesOption } from '../../present.ts'
import { findWorkspace } from '../workspace/find-workspace.ts'
import { findShare } from './find-share.ts'

export const command = defineCommand({
  usage: 'WORKSPACE [PERSON] [--yes]',
  description: 'Without PERSON you leave a workspace that is shared with you.',
  arguments: [
    { name: 'WORKSPACE', summary: 'name or id' },
    { name: 'PERSON', summary: 'e-mail address, name or account id', isOptional: true },
  ],
  options: { yes: yesOption },
  examples: [
    { does: 'end a share', command: 'keyhold share remove api ada@example.com' },
    { does: 'leave a workspace', command: 'keyhold share remove api' },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [wanted = '', whom] = args
      const workspace = await findWorkspace(keyhold, wanted)
      const params = { workspaceId: workspace.id }
      if (whom === undefined) {
        const { account } = await keyhold.call('session.get')
        confirmed(
          terminal,
          options.yes,
          `leave ${workspace.name}, which ${workspace.owner.name} shares with you?`,
        )
        await keyhold.call('share.delete', { params: { ...params, accountId: account.id } })
        terminal.note(`${workspace.name} is no longer shared with you`)
        return
      }
      const { person } = await findShare(keyhold, workspace.id, whom)
      confirmed(
        terminal,
        options.yes,
        `end the share of ${workspace.name} with ${person.name} (${person.email})?`,
      )
      await keyhold.call('share.delete', { params: { ...params, accountId: person.id } })
      terminal.note(`${workspace.name} is no longer shared with ${person.name}`)
      terminal.hint('values the person has seen or used are still known to them; change those that matter')
    }),
})
