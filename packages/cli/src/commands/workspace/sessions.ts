import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { sayEmpty, shownTime } from '../../present.ts'
import { findWorkspace, shownLevel } from './find-workspace.ts'

export const command = defineCommand({
  usage: 'WORKSPACE [--json]',
  description: 'The owner and Admins see everybody, others themselves.',
  arguments: [{ name: 'WORKSPACE', summary: 'name or id' }],
  options: { json: jsonOption },
  examples: [{ does: 'see who is in by SSH', command: 'keyhold workspace sessions api' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { id: workspaceId, name } = await findWorkspace(keyhold, args[0] ?? '')
      const { sshSessions } = await keyhold.call('ssh-session.list', { params: { workspaceId } })
      if (options.json) return terminal.printJson(sshSessions)
      if (sshSessions.length === 0) {
        return sayEmpty(
          terminal,
          `nobody is in ${name} by SSH, as far as you may see`,
          `enter it: keyhold workspace connect ${workspaceId}`,
        )
      }
      terminal.printTable(
        ['PERSON', 'LEVEL', 'FROM', 'SINCE', 'SERVER', 'ID'],
        sshSessions.map(({ person, level, address, since, server, id }) => [
          person.email,
          shownLevel[level],
          address,
          shownTime(since),
          server ?? '',
          id,
        ]),
      )
    }),
})
