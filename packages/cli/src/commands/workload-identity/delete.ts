import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { confirmed, yesOption } from '../../present.ts'
import { findProject, projectOption } from '../project/find-project.ts'
import { findWorkloadIdentity, identityArgument } from './find-workload-identity.ts'

export const command = defineCommand({
  usage: 'IDENTITY [--project=PROJECT] [--yes]',
  description: 'What it let in gets 401 at once. Data already retrieved stays where it is.',
  arguments: [identityArgument],
  options: { project: projectOption, yes: yesOption },
  examples: [{ does: 'delete one', command: 'keyhold workload-identity delete deploy' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { id: projectId } = await findProject(keyhold, options.project)
      const { id: workloadIdentityId, name } = await findWorkloadIdentity(keyhold, projectId, args[0] ?? '')
      confirmed(terminal, options.yes, `delete workload identity ${name}?`)
      await keyhold.call('workload-identity.delete', { params: { projectId, workloadIdentityId } })
      terminal.note(`workload identity ${name} deleted`)
    }),
})
