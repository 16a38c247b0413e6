import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { sayEmpty, shownTime, shownTimeOr } from '../../present.ts'
import { findProject, projectOption } from '../project/find-project.ts'
import { shownPermission, shownStatus } from './access-key-options.ts'

export const command = defineCommand({
  usage: '[--project=PROJECT] [--json]',
  options: { project: projectOption, json: jsonOption },
  examples: [{ does: "list a project's access keys", command: 'keyhold access-key list --project=shop' }],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { id: projectId, name } = await findProject(keyhold, options.project)
      const { accessKeys } = await keyhold.call('access-key.list', { params: { projectId } })
      if (options.json) return terminal.printJson(accessKeys)
      if (accessKeys.length === 0) {
        return sayEmpty(
          terminal,
          `${name} has no access keys; with one, a machine can use its secrets`,
          'create one: keyhold access-key create --permission=read',
        )
      }
      terminal.printTable(
        ['ID', 'STATUS', 'PERMISSION', 'IP RESTRICTION', 'CREATED', 'EXPIRES', 'LAST USED'],
        accessKeys.map((key) => [
          key.id,
          shownStatus[key.status],
          shownPermission[key.permission],
          key.ipRestriction.join(' ') || 'none',
          shownTime(key.createdAt),
          shownTimeOr(key.expiresAt, 'No expiry'),
          key.lastUsedAt === null
            ? 'Never'
            : `${shownTime(key.lastUsedAt)}${key.lastUsedAddress === null ? '' : ` from ${key.lastUsedAddress}`}`,
        ]),
      )
    }),
})
