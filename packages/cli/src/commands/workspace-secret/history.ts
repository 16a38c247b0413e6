import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { shownTime } from '../../present.ts'
import { findWorkspaceSecret, workspaceArgument } from './find-workspace-secret.ts'

export const command = defineCommand({
  usage: 'WORKSPACE NAME [--json]',
  description: 'Lists the versions that are kept, newest first, without values.',
  arguments: [workspaceArgument, { name: 'NAME', summary: 'name or id of the secret' }],
  options: { json: jsonOption },
  examples: [
    { does: 'see when a value changed', command: 'keyhold workspace-secret history api GITHUB_TOKEN' },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [wanted = '', name = ''] = args
      const { workspace, secret } = await findWorkspaceSecret(keyhold, wanted, name)
      const { versions } = await keyhold.call('workspace-secret.versions', {
        params: { workspaceId: workspace.id, workspaceSecretId: secret.id },
      })
      if (options.json) return terminal.printJson(versions)
      terminal.printTable(
        ['VERSION', 'CREATED', ''],
        versions.map(({ version, createdAt, isCurrent }) => [
          String(version),
          shownTime(createdAt),
          isCurrent ? 'current' : '',
        ]),
      )
    }),
})
