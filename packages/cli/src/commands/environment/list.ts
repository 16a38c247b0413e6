import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { shownTime } from '../../present.ts'
import { findProject, projectOption } from '../project/find-project.ts'

export const command = defineCommand({
  usage: '[--project=PROJECT] [--json]',
  description: 'All comes first: what an environment does not have itself, it takes from there.',
  options: { project: projectOption, json: jsonOption },
  examples: [
    { does: 'list the environments of a project', command: 'keyhold environment list --project=shop' },
  ],
  run: ({ options, env, terminal }) =>
    connected(env, 'any', async (keyhold) => {
      if (keyhold.credentialKind === 'access-key') {
        const { environments } = await keyhold.call('current.environments')
        if (options.json) return terminal.printJson(environments)
        terminal.printTable(
          ['NAME', 'DESCRIPTION'],
          environments.map(({ name, description }) => [name, description]),
        )
        return
      }
      const { id: projectId } = await findProject(keyhold, options.project)
      const { environments } = await keyhold.call('environment.list', { params: { projectId } })
      if (options.json) return terminal.printJson(environments)
      terminal.printTable(
        ['NAME', 'CREATED', 'EXTERNAL URL', 'DESCRIPTION'],
        environments.map(({ name, createdAt, externalUrl, description }) => [
          name,
          shownTime(createdAt),
          externalUrl ?? '',
          description,
        ]),
      )
      if (environments.length === 1) terminal.hint('add one: keyhold environment create staging')
    }),
})
