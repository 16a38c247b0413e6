import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { ExitCode } from '../../exit-codes.ts'
import { sayEmpty } from '../../present.ts'
import { findProject, projectOption } from '../project/find-project.ts'

export const command = defineCommand({
  usage: 'LEFT RIGHT [--all] [--project=PROJECT] [--json]',
  description: `Shows which secrets two environments have, where each takes its value from, and whether the values differ. Values are
not shown. Names that are the same in both are left out unless --all is given. Exits with 1 when something differs.`,
  arguments: [
    { name: 'LEFT', summary: 'an environment' },
    { name: 'RIGHT', summary: 'the one to compare it with' },
  ],
  options: {
    all: { type: 'boolean', summary: 'also what is the same in both' },
    project: projectOption,
    json: jsonOption,
  },
  examples: [
    { does: 'see what production lacks', command: 'keyhold environment compare staging production' },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [left = '', right = ''] = args
      const { id: projectId } = await findProject(keyhold, options.project)
      const { secrets } = await keyhold.call('secret.compare', {
        params: { projectId },
        query: { left, right },
      })
      const different = secrets.filter(({ isSame }) => isSame !== true)
      const shown = options.all ? secrets : different
      const exitCode = different.length > 0 ? ExitCode.Failed : ExitCode.Ok
      if (options.json) {
        terminal.printJson(shown)
        return exitCode
      }
      if (shown.length === 0) {
        sayEmpty(terminal, `${left} and ${right} deliver the same`, 'all names: --all')
        return exitCode
      }
      terminal.printTable(
        ['NAME', left.toUpperCase(), right.toUpperCase(), 'VALUES'],
        shown.map((one) => [
          one.name,
          one.left ?? 'missing',
          one.right ?? 'missing',
          one.isSame === null ? '' : one.isSame ? 'same' : 'differ',
        ]),
      )
      return exitCode
    }),
})
