import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { shownTime } from '../../present.ts'
import { environmentOption } from '../environment/find-environment.ts'
import { findProject, projectOption } from '../project/find-project.ts'
import { DEFAULT_ENVIRONMENT, findSecret } from './find-secret.ts'

export const command = defineCommand({
  usage: 'NAME [--environment=ENVIRONMENT] [--project=PROJECT] [--json]',
  description: 'Lists the versions, newest first, without values.',
  arguments: [{ name: 'NAME', summary: 'name of the secret' }],
  options: { environment: environmentOption, project: projectOption, json: jsonOption },
  examples: [{ does: 'see when a value changed', command: 'keyhold secret history DATABASE_PASSWORD' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [name = ''] = args
      const environment = options.environment ?? keyhold.environment ?? DEFAULT_ENVIRONMENT
      const { id: projectId } = await findProject(keyhold, options.project)
      const { id: secretId } = await findSecret(keyhold, projectId, name, environment)
      const { versions } = await keyhold.call('secret.versions', { params: { projectId, secretId } })
      if (options.json) return terminal.printJson(versions)
      terminal.printTable(
        ['VERSION', 'CREATED', 'BY', ''],
        versions.map(({ version, createdAt, createdBy, isCurrent }) => [
          String(version),
          shownTime(createdAt),
          createdBy ?? '',
          isCurrent ? 'current' : '',
        ]),
      )
    }),
})
