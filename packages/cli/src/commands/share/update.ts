import type { ShareLevel } from '@keyhold/contract/api/workspaces'
import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { usageFailure } from '../../failure.ts'
import { findWorkspace, shownLevel } from '../workspace/find-workspace.ts'
import { findShare, levelOption, levelsDescription, warnOfAdmin } from './find-share.ts'

export const command = defineCommand({
  usage: 'WORKSPACE PERSON --level=LEVEL',
  description: levelsDescription,
  arguments: [
    { name: 'WORKSPACE', summary: 'name or id' },
    { name: 'PERSON', summary: 'e-mail address, name or account id' },
  ],
  options: { level: levelOption, json: jsonOption },
  examples: [{ does: 'take values away', command: 'keyhold share update api ada@example.com --level=edit' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [wanted = '', whom = ''] = args
      if (options.level === undefined) throw usageFailure('--level is missing')
      const workspace = await findWorkspace(keyhold, wanted)
      const { person } = await findShare(keyhold, workspace.id, whom)
      const share = await keyhold.call('share.update', {
        params: { workspaceId: workspace.id, accountId: person.id },
        body: { level: options.level as ShareLevel }, // `as`: one of the choices.
      })
      if (share.level === 'admin') warnOfAdmin(terminal, person.name)
      if (options.json) return terminal.printJson(share)
      terminal.note(`${person.name} is now ${shownLevel[share.level]} in ${workspace.name}`)
    }),
})
