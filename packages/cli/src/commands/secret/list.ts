import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { sayEmpty, shownTime, shownTimeOr } from '../../present.ts'
import { environmentOption } from '../environment/find-environment.ts'
import { projectOption } from '../project/find-project.ts'
import { listSecrets } from './list-secrets.ts'
import { assertPersonal, personalOption, shownWorkspaces } from './personal-secret.ts'

export const command = defineCommand({
  usage: '[--environment=ENVIRONMENT] [--project=PROJECT | --personal] [--json]',
  description: 'Values are never shown. With an environment the list also has what it takes from All.',
  options: {
    environment: { ...environmentOption, summary: 'only what this environment has or takes from All' },
    project: projectOption,
    personal: personalOption,
    json: jsonOption,
  },
  examples: [
    { does: 'list all secrets of a project', command: 'keyhold secret list --project=shop' },
    { does: 'list what a program in staging gets', command: 'keyhold secret list --environment=staging' },
    { does: 'list your own, for your workspaces', command: 'keyhold secret list --personal' },
  ],
  run: ({ options, env, terminal }) => {
    if (options.personal) {
      assertPersonal(options, env)
      return connected(env, 'person', async (keyhold) => {
        const { personalSecrets } = await keyhold.call('personal-secret.list')
        if (options.json) return terminal.printJson(personalSecrets)
        if (personalSecrets.length === 0)
          return sayEmpty(terminal, 'you have no personal secrets', `${addHint} --personal`)
        terminal.printTable(
          [
            'NAME',
            'TYPE',
            'VARIABLE',
            'FILE',
            'WORKSPACES',
            'VERSION',
            'LAST USED',
            'EXPIRES',
            'STATUS',
            'DESCRIPTION',
          ],
          personalSecrets.map((secret) => [
            secret.name,
            secret.type,
            secret.envName ?? '',
            secret.filePath ?? '',
            shownWorkspaces(secret),
            String(secret.version),
            shownTimeOr(secret.lastUsedAt, 'Never'),
            shownTimeOr(secret.expiresAt, 'No expiry'),
            secret.status,
            secret.description,
          ]),
        )
      })
    }
    return connected(env, 'any', async (keyhold) => {
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
    })
  },
})

const addHint = 'add one: keyhold secret set GITHUB_TOKEN'
