import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { usageFailure } from '../../failure.ts'
import { confirmed, parsedTime, yesOption } from '../../present.ts'
import { findProject, projectOption } from '../project/find-project.ts'
import { findEnvironment } from './find-environment.ts'

const usage = 'ENVIRONMENT --at=TIME [--project=PROJECT] [--dry-run] [--yes] [--json]'

export const command = defineCommand({
  usage,
  description: `Gives every secret that the environment has of its own the value it had then, as a new version; deleted secrets come back,
and those that were made later are deleted. All or nothing, after you have seen the names. Deleted secrets are kept for 30
days, so what is deleted here comes back by restoring to a moment before.`,
  arguments: [{ name: 'ENVIRONMENT', summary: 'name or id' }],
  options: {
    at: {
      type: 'string',
      placeholder: 'TIME',
      summary: '2026-12-31T18:00 (UTC), or 30m, 12h or 7d ago',
    },
    project: projectOption,
    'dry-run': { type: 'boolean', summary: 'say what would change, and change nothing' },
    yes: yesOption,
    json: jsonOption,
  },
  examples: [
    {
      does: 'see what changed in the last hour',
      command: 'keyhold environment restore staging --at=1h --dry-run',
    },
    {
      does: 'take that back',
      command: 'keyhold environment restore staging --at=1h',
    },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [wanted = ''] = args
      if (options.at === undefined)
        throw usageFailure('--at is missing', `keyhold environment restore ${usage}`)
      const at = parsedTime(options.at, 'at', -1)
      const { id: projectId } = await findProject(keyhold, options.project)
      const environment = await findEnvironment(keyhold, projectId, wanted)
      const params = { projectId, environmentId: environment.id }
      const { changes, state, isComplete } = await keyhold.call('environment.restore_preview', {
        params,
        query: { at },
      })
      if (!isComplete) terminal.note('warning: secrets that were deleted more than 30 days ago are not kept')
      const isDryRun = options['dry-run'] || changes.length === 0
      if (isDryRun && options.json) return terminal.printJson(changes)
      if (changes.length === 0) return terminal.note(`${environment.name} is as it was`)
      if (!options.json)
        terminal.printTable(
          ['NAME', isDryRun ? 'WOULD BE' : 'WILL BE'],
          changes.map(({ name, change }) => [name, change]),
        )
      if (isDryRun) return
      confirmed(terminal, options.yes, `take ${environment.name} back to ${at}?`)
      const done = await keyhold.call('environment.restore', {
        params,
        body: { at, expectedState: state },
      })
      if (options.json) return terminal.printJson(done.changes)
      terminal.note(`${environment.name} is as it was at ${at}: ${done.changes.length} secrets changed`)
    }),
})
