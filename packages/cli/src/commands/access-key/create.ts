import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { usageFailure } from '../../failure.ts'
import { parsedTime } from '../../present.ts'
import { findProject, projectOption } from '../project/find-project.ts'
import { ipOption, permissionOption } from './access-key-options.ts'
import { handOver, outputOption } from './hand-over.ts'

export const command = defineCommand({
  usage: '--permission=PERMISSION [--ip=ADDRESS]… [--expires=WHEN] [--output=FILE] [--project=PROJECT]',
  description:
    'Prints the access key ID and the access key, this once, with KEYHOLD_URL, as lines for an env file. A project has at most\n' +
    'two active access keys: the second is for changing over without a gap.',
  options: {
    permission: permissionOption,
    ip: ipOption,
    expires: { type: 'string', placeholder: 'WHEN', summary: '30d, 12h or 2026-12-31; default: no expiry' },
    output: outputOption,
    project: projectOption,
    json: jsonOption,
  },
  examples: [
    {
      does: 'a key that reads, into a file',
      command: 'keyhold access-key create --permission=read --output=shop.env',
    },
    {
      does: 'a key that may be used from one network',
      command: 'keyhold access-key create --permission=read_write --ip=203.0.113.0/24',
    },
  ],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { permission, ip, expires } = options
      if (permission === undefined) throw usageFailure('--permission is missing', 'choose read or read_write')
      const body = {
        permission: permission as 'read' | 'read_write', // `as`: one of the choices.
        ...(ip.length > 0 && { ipRestriction: [...ip] }),
        ...(expires !== undefined && { expiresAt: parsedTime(expires, 'expires', 1) }),
      }
      const { id: projectId } = await findProject(keyhold, options.project)
      await handOver(terminal, options.output, options.json, keyhold.url, () =>
        keyhold.call('access-key.create', { params: { projectId }, body }),
      )
      terminal.hint('try it: set these variables, then "keyhold run --environment=NAME -- env"')
    }),
})
