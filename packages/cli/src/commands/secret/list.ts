import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { sayEmpty, shownTime, shownTimeOr } from '../../present.ts'
import { environmentOption } from '../environment/find-environment.ts'
import { projectOption } from '../project/find-project.ts'
import { listSecrets } from './list-secrets.ts'

export const command = defineCommand({
  usage: '[--environment=ENVIRONMENT] [--project=PROJECT] [--json]',
  description: 'Values are never shown. With an environment the list also has what it takes from All.',
  options: {
    environment: { ...environmentOption, summary: 'only what this environment has or takes from All' },
    project: projectOption,
    json: jsonOption,
  },
  examples: [
    { does: 'list all secrets of a project', command: 'keyhold secret list --project=shop' },
    { does: 'list what a program in staging gets', command: 'keyhold secret list --environment=staging' },
  ],
  run: ({ options, env, terminal }) =>
    connected(env, 'any', async (keyhold) => {
      const environment = options.environment ?? keyhold.environment
      const secrets = await listSecrets(keyhold, environment, options.project)
      if (options.json) return terminal.printJson(secrets)
      if (secrets.length === 0) return sayEmpty(terminal, 'there are no secrets here yet', addHint)
      terminal.printTable(
        ['NAME', 'ENVIRONMENT', 'TYPE', 'VERSION', 'UPDATED', 'LAST ACCESSED', 'DESCRIPTION'],
        secrets.map((secret) => [
          secret.name,
          secret.environment,
          secret.type,
          String(secret.version),
          shownTime(secret.updatedAt),
          shownTimeOr(secret.lastAccessedAt, 'Never'),
          secret.description,
        ]),
      )
    }),
})

const addHint = 'add one: keyhold secret set GITHUB_TOKEN'
