import type { ProjectRole } from '@keyhold/contract/api/projects'
import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { parsedTime } from '../../present.ts'
import { roleOption } from '../member/find-member.ts'
import { findProject } from '../project/find-project.ts'
import { handOver, MAIL_DEADLINE_MS } from './find-invitation.ts'

export const command = defineCommand({
  usage: 'EMAIL [--project=PROJECT]… [--role=ROLE] [--admin] [--expires=WHEN]',
  description:
    'For administrators. Sends a link by which the person makes their own account; where no mail server is set up, prints it,\n' +
    'this once. With --project they are a member of it from the beginning; that takes an Admin of the project.',
  arguments: [{ name: 'EMAIL', summary: 'e-mail address of somebody who has no account' }],
  options: {
    project: {
      type: 'string',
      short: 'p',
      placeholder: 'PROJECT',
      summary: 'name or id of a project that they will be a member of',
      isRepeatable: true,
    },
    role: { ...roleOption, summary: 'what they may do in these projects; default regular' },
    admin: { type: 'boolean', summary: 'make them an administrator of the instance' },
    expires: {
      type: 'string',
      placeholder: 'WHEN',
      summary: '12h, 3d or 2026-12-31; default 7 days, at most 30',
    },
    json: jsonOption,
  },
  examples: [
    {
      does: 'invite somebody into a project',
      command: 'keyhold invitation create ada@example.com --project=shop --role=read_only',
    },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(
      env,
      'person',
      async (keyhold) => {
        const [email = ''] = args
        const { admin, expires } = options
        const role = (options.role ?? 'regular') as ProjectRole // `as`: one of the choices.
        const projects = await Promise.all(
          options.project.map(async (name) => ({ projectId: (await findProject(keyhold, name)).id, role })),
        )
        const made = await keyhold.call('invitation.create', {
          body: {
            email,
            role: admin ? 'admin' : 'member',
            projects,
            ...(expires !== undefined && { expiresAt: parsedTime(expires, 'expires', 1) }),
          },
        })
        if (options.json) return terminal.printJson(made)
        handOver(terminal, made)
      },
      { deadlineMs: MAIL_DEADLINE_MS },
    ),
})
