import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { sayEmpty, shownTimeOr } from '../../present.ts'
import { shownPermission } from '../access-key/access-key-options.ts'
import { findProject, projectOption } from '../project/find-project.ts'

export const command = defineCommand({
  usage: '[--project=PROJECT] [--json]',
  options: { project: projectOption, json: jsonOption },
  examples: [
    {
      does: 'which CI jobs and pods may use a project',
      command: 'keyhold workload-identity list --project=shop',
    },
  ],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { id: projectId, name } = await findProject(keyhold, options.project)
      const { workloadIdentities } = await keyhold.call('workload-identity.list', { params: { projectId } })
      if (options.json) return terminal.printJson(workloadIdentities)
      if (workloadIdentities.length === 0) {
        return sayEmpty(
          terminal,
          `${name} has no workload identities; with one, a CI job or a pod can use its secrets`,
          'create one: keyhold workload-identity create NAME --github=OWNER/REPOSITORY --permission=read',
        )
      }
      terminal.printTable(
        ['ID', 'NAME', 'STATUS', 'PERMISSION', 'ISSUER', 'CLAIMS', 'LAST USED'],
        workloadIdentities.map((one) => [
          one.id,
          one.name,
          one.isActive ? 'Active' : 'Inactive',
          shownPermission[one.permission],
          one.issuer,
          Object.entries(one.claims)
            .map(([claim, value]) => `${claim}=${value}`)
            .join(' '),
          `${shownTimeOr(one.lastUsedAt, 'Never')}${one.lastSubject === null ? '' : ` by ${one.lastSubject}`}`,
        ]),
      )
    }),
})
