import type { SecretInfo } from '@keyhold/contract/api/secrets'
import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { sayEmpty, shownTime, shownTimeOr } from '../../present.ts'
import { environmentOption } from '../environment/find-environment.ts'
import { projectOption } from '../project/find-project.ts'
import { listSecrets } from './list-secrets.ts'
import { assertPersonal, personalOption, shownWorkspaces } from './personal-secret.ts'

export const command = defineCommand({
  usage: '[--environment=ENVIRONMENT] [--project=PROJECT | --personal] [--json]',
  description:
    'Values are never shown. With an environment the list also has what it takes from All.\nSOURCE says where your value comes from: the environment, All, or an override, which is a value of your own.',
  options: {
    environment: { ...environmentOption, summary: 'only what this environment has or takes from All' },
    project: projectOption,
    search: {
      type: 'string',
      placeholder: 'TEXT',
      summary: 'only those with this text in name, description or note; case does not matter',
    },
    due: { type: 'boolean', summary: 'only those that are due for a new value' },
    personal: personalOption,
    json: jsonOption,
  },
  examples: [
    { does: 'list all secrets of a project', command: 'keyhold secret list --project=shop' },
    { does: 'list what a program in staging gets', command: 'keyhold secret list --environment=staging' },
    { does: 'find what has to be renewed', command: 'keyhold secret list --due' },
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
      const listed = await listSecrets(keyhold, environment, options.project)
      const secrets = listed.filter(
        (one) => (!options.due || one.isRotationDue) && matches(one, options.search),
      )
      if (options.json) return terminal.printJson(secrets)
      if (secrets.length === 0 && listed.length > 0)
        return terminal.note(`none of ${listed.length} secrets is meant`)
      if (secrets.length === 0) return sayEmpty(terminal, 'there are no secrets here yet', addHint)
      terminal.printTable(
        [
          'NAME',
          'ENVIRONMENT',
          'TYPE',
          'VERSION',
          'UPDATED',
          'LAST ACCESSED',
          'ROTATION',
          'DESCRIPTION',
          'NOTE',
          'SOURCE',
        ],
        secrets.map((secret) => [
          secret.name,
          secret.environment,
          secret.type,
          String(secret.version),
          shownTime(secret.updatedAt),
          shownTimeOr(secret.lastAccessedAt, 'Never'),
          secret.isRotationDue ? 'due' : shownTimeOr(secret.rotationDueAt, 'Never'),
          secret.description,
          secret.note,
          secret.source ?? '', // A server from before there were sources does not say.
        ]),
      )
    })
  },
})

const matches = (secret: SecretInfo, search = ''): boolean =>
  [secret.name, secret.description, secret.note].some((text) =>
    text.toLowerCase().includes(search.toLowerCase()),
  )

const addHint = 'add one: keyhold secret set GITHUB_TOKEN'
