import type { ProjectRole } from '@keyhold/contract/api/projects'
import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { usageFailure } from '../../failure.ts'
import { findProject, projectOption, shownRole } from '../project/find-project.ts'
import { findMember, roleOption } from './find-member.ts'

export const command = defineCommand({
  usage: 'PERSON --role=ROLE [--project=PROJECT]',
  arguments: [{ name: 'PERSON', summary: 'e-mail address, name or account id' }],
  options: { role: roleOption, project: projectOption, json: jsonOption },
  examples: [
    { does: 'make a member an Admin', command: 'keyhold member update ada@example.com --role=admin' },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [wanted = ''] = args
      if (options.role === undefined) throw usageFailure('--role is missing')
      const project = await findProject(keyhold, options.project)
      const { person } = await findMember(keyhold, project.id, wanted)
      const member = await keyhold.call('member.update', {
        params: { projectId: project.id, accountId: person.id },
        body: { role: options.role as ProjectRole }, // `as`: one of the choices.
      })
      if (options.json) return terminal.printJson(member)
      terminal.note(`${person.name} is now ${shownRole[member.role]} in ${project.name}`)
    }),
})
