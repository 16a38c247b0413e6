import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'

import { findProject, projectOption } from '../project/find-project.ts'
import { findWorkloadIdentity, identityArgument } from './find-workload-identity.ts'

export const command = defineCommand({
  usage: 'IDENTITY [--project=PROJECT]',

  arguments: [identityArgument],
  options: { project: projectOption, json: jsonOption },
  examples: [{ does: 'let it work again', command: 'keyhold workload-identity activate deploy' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { id: projectId } = await findProject(keyhold, options.project)
      const { id: workloadIdentityId, name } = await findWorkloadIdentity(keyhold, projectId, args[0] ?? '')

      const identity = await keyhold.call('workload-identity.update', {
        params: { projectId, workloadIdentityId },
        body: { isActive: true },
      })
      if (options.json) return terminal.printJson(identity)
      terminal.note(`workload identity ${name} is active`)
    }),
})
