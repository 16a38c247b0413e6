import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { usageFailure } from '../../failure.ts'
import { confirmed, yesOption } from '../../present.ts'

const usage = '[SESSION] [--all] [--yes]'

export const command = defineCommand({
  usage,
  description: 'The next request of that browser gets 401. Access tokens go on working.',
  arguments: [{ name: 'SESSION', summary: 'id of a session', isOptional: true }],
  options: { all: { type: 'boolean', summary: 'every browser session you have' }, yes: yesOption },
  examples: [{ does: 'sign out everywhere', command: 'keyhold session end --all' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [sessionId] = args
      if ((sessionId === undefined) !== options.all)
        throw usageFailure('name a session, or say --all', `keyhold session end ${usage}`)
      confirmed(terminal, options.yes, options.all ? 'end all your browser sessions?' : 'end this session?')
      if (sessionId === undefined) await keyhold.call('sessions.end_others')
      else await keyhold.call('sessions.end', { params: { sessionId } })
      terminal.note(options.all ? 'all browser sessions ended' : 'session ended')
    }),
})
