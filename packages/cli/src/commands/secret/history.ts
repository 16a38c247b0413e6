import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { shownTime } from '../../present.ts'
import { environmentOption } from '../environment/find-environment.ts'
import { findProject, projectOption } from '../project/find-project.ts'
import { DEFAULT_ENVIRONMENT, findSecret } from './find-secret.ts'
import { assertPersonal, findPersonalSecret, personalOption } from './personal-secret.ts'

export const command = defineCommand({
  usage: 'NAME [--environment=ENVIRONMENT] [--project=PROJECT | --personal] [--json]',
  description: 'Lists the versions, newest first, without values.',
  arguments: [{ name: 'NAME', summary: 'name of the secret' }],
  options: {
    environment: environmentOption,
    project: projectOption,
    personal: personalOption,
    json: jsonOption,
  },
  examples: [{ does: 'see when a value changed', command: 'keyhold secret history DATABASE_PASSWORD' }],
  run: ({ options, args, env, terminal }) => {
    const [name = ''] = args
    if (options.personal) {
      assertPersonal(options, env)
      return connected(env, 'person', async (keyhold) => {
        const { id } = await findPersonalSecret(keyhold, name)
        const params = { personalSecretId: id }
        const { versions } = await keyhold.call('personal-secret.versions', { params })
        if (options.json) return terminal.printJson(versions)
        terminal.printTable(
          ['VERSION', 'CREATED', ''],
          versions.map(({ version, createdAt, isCurrent }) => [
            String(version),
            shownTime(createdAt),
            isCurrent ? 'current' : '',
          ]),
        )
      })
    }
    return connected(env, 'person', async (keyhold) => {
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
    })
  },
})
