import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { confirmed, yesOption } from '../../present.ts'
import { findProject, projectOption } from '../project/find-project.ts'
import { findWorkloadIdentity, identityArgument } from './find-workload-identity.ts'

export const command = defineCommand({
  usage: 'IDENTITY [--project=PROJECT] [--yes]',
  description: 'What it let in gets 401 on everything at once. It can be activated again.',
  arguments: [identityArgument],
  options: { project: projectOption, yes: yesOption, json: jsonOption },
  examples: [{ does: 'stop it', command: 'keyhold workload-identity deactivate deploy' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { id: projectId } = await findProject(keyhold, options.project)
      const { id: workloadIdentityId, name } = await findWorkloadIdentity(keyhold, projectId, args[0] ?? '')
      confirmed(
        terminal,
        options.yes,
        `deactivate workload identity ${name}? what uses it stops working at once`,
      )
      const identity = await keyhold.call('workload-identity.update', {
        params: { projectId, workloadIdentityId },
        body: { isActive: false },
      })
      if (options.json) return terminal.printJson(identity)
      terminal.note(`workload identity ${name} is inactive`)
    }),
})
