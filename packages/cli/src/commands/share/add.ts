import type { ShareLevel } from '@keyhold/contract/api/workspaces'
import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { usageFailure } from '../../failure.ts'
import { findWorkspace, shownLevel } from '../workspace/find-workspace.ts'
import { levelOption, levelsDescription, warnOfAdmin } from './find-share.ts'

export const command = defineCommand({
  usage: 'WORKSPACE EMAIL --level=LEVEL',
  description: levelsDescription,
  arguments: [
    { name: 'WORKSPACE', summary: 'name or id' },
    { name: 'EMAIL', summary: 'e-mail address of the account' },
  ],
  options: { level: levelOption, json: jsonOption },
  examples: [
    { does: 'let somebody look', command: 'keyhold share add api ada@example.com --level=view' },
    { does: 'let somebody work in it', command: 'keyhold share add api ada@example.com --level=edit' },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [wanted = '', email = ''] = args
      if (options.level === undefined) throw usageFailure('--level is missing')
      const workspace = await findWorkspace(keyhold, wanted)
      const share = await keyhold.call('share.create', {
        params: { workspaceId: workspace.id },
        body: { email, level: options.level as ShareLevel }, // `as`: one of the choices.
      })
      if (share.level === 'admin') warnOfAdmin(terminal, share.person.name)
      if (options.json) return terminal.printJson(share)
      terminal.note(`${workspace.name} shared with ${share.person.name} as ${shownLevel[share.level]}`)
    }),
})
