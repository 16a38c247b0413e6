import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { usageFailure } from '../../failure.ts'
import { findProject, projectOption } from '../project/find-project.ts'
import { ipOption, permissionOption, shownPermission } from './access-key-options.ts'

export const command = defineCommand({
  usage: 'ID [--permission=PERMISSION] [--ip=ADDRESS… | --no-ip-restriction] [--project=PROJECT]',
  description: 'In effect on the next request. The access key ID and the access key stay valid.',
  arguments: [{ name: 'ID', summary: 'the access key ID' }],
  options: {
    permission: permissionOption,
    ip: { ...ipOption, summary: 'address or CIDR range; those given replace the ones before' },
    'no-ip-restriction': { type: 'boolean', summary: 'let the key be used from everywhere' },
    project: projectOption,
    json: jsonOption,
  },
  examples: [
    { does: 'narrow a key', command: 'keyhold access-key edit ak_… --permission=read --ip=203.0.113.7' },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [accessKeyId = ''] = args
      const { permission, ip, 'no-ip-restriction': isUnrestricted } = options
      if (isUnrestricted && ip.length > 0)
        throw usageFailure('--ip and --no-ip-restriction exclude each other')
      if (permission === undefined && ip.length === 0 && !isUnrestricted) {
        throw usageFailure('nothing to change', 'give --permission, --ip or --no-ip-restriction')
      }
      const { id: projectId } = await findProject(keyhold, options.project)
      const key = await keyhold.call('access-key.update', {
        params: { projectId, accessKeyId },
        body: {
          ...(permission !== undefined && { permission: permission as 'read' | 'read_write' }), // `as`: a choice.
          ...((isUnrestricted || ip.length > 0) && { ipRestriction: [...ip] }),
        },
      })
      if (options.json) return terminal.printJson(key)
      terminal.note(
        `${key.id}: ${shownPermission[key.permission]}, ${key.ipRestriction.length === 0 ? 'from every address' : `from ${key.ipRestriction.join(', ')}`}`,
      )
    }),
})
