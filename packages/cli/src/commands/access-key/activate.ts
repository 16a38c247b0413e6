import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { findProject, projectOption } from '../project/find-project.ts'

export const command = defineCommand({
  usage: 'ID [--project=PROJECT]',
  description: 'The same access key works again.',
  arguments: [{ name: 'ID', summary: 'the access key ID' }],
  options: { project: projectOption, json: jsonOption },
  examples: [{ does: 'let an inactive key work again', command: 'keyhold access-key activate ak_…' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [accessKeyId = ''] = args
      const { id: projectId } = await findProject(keyhold, options.project)
      const key = await keyhold.call('access-key.activate', { params: { projectId, accessKeyId } })
      if (options.json) return terminal.printJson(key)
      terminal.note(`access key ${accessKeyId} is active`)
    }),
})
