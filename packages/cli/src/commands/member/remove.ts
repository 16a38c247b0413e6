import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { confirmed, yesOption } from '../../present.ts'
import { findProject, projectOption } from '../project/find-project.ts'
import { findMember } from './find-member.ts'

export const command = defineCommand({
  usage: 'PERSON [--project=PROJECT] [--yes]',
  arguments: [{ name: 'PERSON', summary: 'e-mail address, name or account id' }],
  options: { project: projectOption, yes: yesOption },
  examples: [{ does: 'remove a member', command: 'keyhold member remove ada@example.com --project=shop' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [wanted = ''] = args
      const project = await findProject(keyhold, options.project)
      const { person } = await findMember(keyhold, project.id, wanted)
      confirmed(terminal, options.yes, `remove ${person.name} (${person.email}) from ${project.name}?`)
      await keyhold.call('member.delete', { params: { projectId: project.id, accountId: person.id } })
      terminal.note(`${person.name} removed from ${project.name}`)
      terminal.hint('values the person has seen are still known to them; change those that matter')
    }),
})
