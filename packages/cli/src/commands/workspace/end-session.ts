import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { Failure } from '../../failure.ts'
import { confirmed, yesOption } from '../../present.ts'
import { findWorkspace } from './find-workspace.ts'

export const command = defineCommand({
  usage: 'WORKSPACE SESSION [--yes]',
  description:
    'It closes within 2 seconds. Whoever still has a share and a key can come in again: see keyhold share remove.',
  arguments: [
    { name: 'WORKSPACE', summary: 'name or id' },
    { name: 'SESSION', summary: 'id, as keyhold workspace sessions shows it' },
  ],
  options: { yes: yesOption },
  examples: [
    {
      does: 'end a session',
      command: 'keyhold workspace end-session api sse_0123456789abcdefghjk',
    },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [wanted = '', sshSessionId = ''] = args
      const { id: workspaceId, name } = await findWorkspace(keyhold, wanted)
      const { sshSessions } = await keyhold.call('ssh-session.list', { params: { workspaceId } })
      const session = sshSessions.find(({ id }) => id === sshSessionId)
      if (!session) {
        throw new Failure(`SSH session ${sshSessionId} not found (ssh_session.not_found)`, {
          hints: [`those that you may end: keyhold workspace sessions ${workspaceId}`],
        })
      }
      const whose = `the session of ${session.person.email} from ${session.address}`
      confirmed(terminal, options.yes, `end ${whose} in ${name}?`)
      await keyhold.call('ssh-session.end', { params: { workspaceId, sshSessionId } })
      terminal.note(`${whose} in ${name} ends`)
    }),
})
