import type { ProjectRole } from '@keyhold/contract/api/projects'
import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { findProject, projectOption, shownRole } from '../project/find-project.ts'
import { roleOption } from './find-member.ts'

export const command = defineCommand({
  usage: 'EMAIL [--role=ROLE] [--project=PROJECT]',
  description:
    'admin: all of it, with members; regular: secrets, environments and access keys; read_only: look.',
  arguments: [{ name: 'EMAIL', summary: 'e-mail address of the account' }],
  options: {
    role: { ...roleOption, summary: 'what the person may do in the project; default regular' },
    project: projectOption,
    json: jsonOption,
  },
  examples: [
    {
      does: 'add a person who may only look',
      command: 'keyhold member add ada@example.com --role=read_only',
    },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [email = ''] = args
      const project = await findProject(keyhold, options.project)
      const member = await keyhold.call('member.create', {
        params: { projectId: project.id },
        body: { email, role: (options.role ?? 'regular') as ProjectRole }, // `as`: one of the choices.
      })
      if (options.json) return terminal.printJson(member)
      terminal.note(`${member.person.name} added to ${project.name} as ${shownRole[member.role]}`)
    }),
})
