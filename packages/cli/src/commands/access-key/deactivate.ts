import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { confirmed, yesOption } from '../../present.ts'
import { findProject, projectOption } from '../project/find-project.ts'

export const command = defineCommand({
  usage: 'ID [--project=PROJECT] [--yes]',
  description: 'The key gets 401 on everything at once. It can be activated again.',
  arguments: [{ name: 'ID', summary: 'the access key ID' }],
  options: { project: projectOption, yes: yesOption, json: jsonOption },
  examples: [{ does: 'stop a key', command: 'keyhold access-key deactivate ak_…' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [accessKeyId = ''] = args
      const { id: projectId } = await findProject(keyhold, options.project)
      confirmed(
        terminal,
        options.yes,
        `deactivate access key ${accessKeyId}? what uses it stops working at once`,
      )
      const key = await keyhold.call('access-key.deactivate', { params: { projectId, accessKeyId } })
      if (options.json) return terminal.printJson(key)
      terminal.note(`access key ${accessKeyId} is inactive`)
      terminal.hint(`let it work again: keyhold access-key activate ${accessKeyId}`)
    }),
})
