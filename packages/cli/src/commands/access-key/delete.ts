import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { confirmTyped } from '../../present.ts'
import { findProject, projectOption } from '../project/find-project.ts'

export const command = defineCommand({
  usage: 'ID [--project=PROJECT] [--confirm=ID]',
  description:
    'You are asked to type the access key ID. Data already retrieved with the key stays where it is.',
  arguments: [{ name: 'ID', summary: 'the access key ID' }],
  options: {
    project: projectOption,
    confirm: {
      type: 'string',
      placeholder: 'ID',
      summary: 'the access key ID, exactly, in place of being asked',
    },
  },
  examples: [{ does: 'delete a key in a script', command: 'keyhold access-key delete ak_… --confirm=ak_…' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [accessKeyId = ''] = args
      const { id: projectId } = await findProject(keyhold, options.project)
      confirmTyped(
        terminal,
        options.confirm,
        accessKeyId,
        `access key ${accessKeyId} will be deleted; data already retrieved with it stays where it is`,
      )
      await keyhold.call('access-key.delete', {
        params: { projectId, accessKeyId },
        query: { confirm: accessKeyId },
      })
      terminal.note(`access key ${accessKeyId} deleted`)
    }),
})
