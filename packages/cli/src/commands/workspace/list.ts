import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { sayEmpty, shownTime } from '../../present.ts'
import { shownLevel } from './find-workspace.ts'

export const command = defineCommand({
  usage: '[--json]',
  options: { json: jsonOption },
  examples: [{ does: 'list your workspaces', command: 'keyhold workspace list' }],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { workspaces } = await keyhold.call('workspace.list')
      if (options.json) return terminal.printJson(workspaces)
      if (workspaces.length === 0) {
        return sayEmpty(
          terminal,
          'you have no workspace yet, and none is shared with you',
          'create one: keyhold workspace create NAME',
        )
      }
      terminal.printTable(
        ['NAME', 'ID', 'YOU ARE', 'OWNER', 'AGENT', 'CREATED', 'DESCRIPTION'],
        workspaces.map(({ name, id, level, owner, agent, createdAt, description }) => [
          name,
          id,
          shownLevel[level],
          owner.name,
          agent === null ? 'none' : agent.isConnected ? 'connected' : 'away',
          shownTime(createdAt),
          description,
        ]),
      )
    }),
})
