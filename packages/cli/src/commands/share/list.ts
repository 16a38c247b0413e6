import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { sayEmpty, shownTime } from '../../present.ts'
import { findWorkspace, shownLevel } from '../workspace/find-workspace.ts'

export const command = defineCommand({
  usage: 'WORKSPACE [--json]',
  arguments: [{ name: 'WORKSPACE', summary: 'name or id' }],
  options: { json: jsonOption },
  examples: [{ does: 'see with whom a workspace is shared', command: 'keyhold share list api' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { id: workspaceId, name } = await findWorkspace(keyhold, args[0] ?? '')
      const { shares } = await keyhold.call('share.list', { params: { workspaceId } })
      if (options.json) return terminal.printJson(shares)
      if (shares.length === 0) {
        return sayEmpty(
          terminal,
          `${name} is shared with nobody`,
          `share it: keyhold share add ${args[0]} EMAIL --level=view`,
        )
      }
      terminal.printTable(
        ['NAME', 'E-MAIL', 'LEVEL', 'SINCE', 'ID'],
        shares.map(({ person, level, createdAt }) => [
          person.name,
          person.email,
          shownLevel[level],
          shownTime(createdAt),
          person.id,
        ]),
      )
    }),
})
