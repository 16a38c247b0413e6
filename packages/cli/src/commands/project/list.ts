import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { sayEmpty, shownTime } from '../../present.ts'
import { shownRole } from './find-project.ts'

export const command = defineCommand({
  usage: '[--json]',
  options: { json: jsonOption },
  examples: [{ does: 'list the projects you are a member of', command: 'keyhold project list' }],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { projects } = await keyhold.call('project.list')
      if (options.json) return terminal.printJson(projects)
      if (projects.length === 0) {
        return sayEmpty(terminal, 'you are not in a project yet', 'create one: keyhold project create NAME')
      }
      terminal.printTable(
        ['NAME', 'ID', 'YOUR ROLE', 'CREATED', 'DESCRIPTION'],
        projects.map(({ name, id, role, createdAt, description }) => [
          name,
          id,
          shownRole[role],
          shownTime(createdAt),
          description,
        ]),
      )
    }),
})
