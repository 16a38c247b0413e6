import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { shownTime } from '../../present.ts'
import { findProject, projectOption, shownRole } from '../project/find-project.ts'

export const command = defineCommand({
  usage: '[--project=PROJECT] [--json]',
  options: { project: projectOption, json: jsonOption },
  examples: [{ does: 'list the members of a project', command: 'keyhold member list --project=shop' }],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { id: projectId } = await findProject(keyhold, options.project)
      const { members } = await keyhold.call('member.list', { params: { projectId } })
      if (options.json) return terminal.printJson(members)
      terminal.printTable(
        ['NAME', 'E-MAIL', 'ROLE', 'SINCE', 'ID'],
        members.map(({ person, role, createdAt }) => [
          person.name,
          person.email,
          shownRole[role],
          shownTime(createdAt),
          person.id,
        ]),
      )
    }),
})
