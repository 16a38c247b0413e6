import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { sayEmpty, shownTimeOr } from '../../present.ts'
import { findWorkspace } from '../workspace/find-workspace.ts'
import { workspaceArgument } from './find-workspace-secret.ts'

export const command = defineCommand({
  usage: 'WORKSPACE [--due] [--json]',
  description: 'Values are never shown. For the owner, and those it is shared with as Admin or Edit.',
  arguments: [workspaceArgument],
  options: {
    due: { type: 'boolean', summary: 'only those that are due for a new value' },
    json: jsonOption,
  },
  examples: [{ does: 'list the secrets of a workspace', command: 'keyhold workspace-secret list api' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const workspace = await findWorkspace(keyhold, args[0] ?? '')
      const { workspaceSecrets } = await keyhold.call('workspace-secret.list', {
        params: { workspaceId: workspace.id },
      })
      const shown = options.due ? workspaceSecrets.filter((one) => one.isRotationDue) : workspaceSecrets
      if (options.json) return terminal.printJson(shown)
      if (shown.length === 0 && workspaceSecrets.length > 0)
        return terminal.note(`none of ${workspaceSecrets.length} secrets is due`)
      if (shown.length === 0)
        return sayEmpty(
          terminal,
          `workspace ${workspace.name} has no secrets of its own`,
          `add one: keyhold workspace-secret set ${workspace.id} GITHUB_TOKEN`,
        )
      terminal.printTable(
        [
          'NAME',
          'TYPE',
          'VARIABLE',
          'FILE',
          'VERSION',
          'LAST USED',
          'EXPIRES',
          'ROTATION',
          'STATUS',
          'DESCRIPTION',
          'NOTE',
        ],
        shown.map((secret) => [
          secret.name,
          secret.type,
          secret.envName ?? '',
          secret.filePath ?? '',
          String(secret.version),
          shownTimeOr(secret.lastUsedAt, 'Never'),
          shownTimeOr(secret.expiresAt, 'No expiry'),
          secret.isRotationDue ? 'due' : shownTimeOr(secret.rotationDueAt, 'Never'),
          secret.status,
          secret.description,
          secret.note,
        ]),
      )
    }),
})
