import { defineCommand } from '../command.ts'
import { usageFailure } from '../failure.ts'

export const command = defineCommand({
  usage: '[--state-dir=DIRECTORY] [--allow-path=DIRECTORY]… [--enroll]',
  description: `Runs until it is stopped or cut off. The first time it needs an enrollment token, which the owner of the workspace makes with
"keyhold workspace enroll", and the address of Keyhold in KEYHOLD_URL. The token comes from standard input, from
KEYHOLD_ENROLLMENT_TOKEN, or from the file that KEYHOLD_ENROLLMENT_TOKEN_FILE names. What the agent needs to come back
is kept in its state directory, where it belongs to this machine alone: do not copy it.

Secrets that have a path are files there, links to bytes in memory, while the agent runs. It writes only below the home
directory, and never over a file that is there.`,
  options: {
    'state-dir': {
      type: 'string',
      placeholder: 'DIRECTORY',
      summary: 'where its credential is kept; default: keyhold-agent in $XDG_STATE_HOME or ~/.local/state',
    },
    'allow-path': {
      type: 'string',
      placeholder: 'DIRECTORY',
      isRepeatable: true,
      summary: 'let secrets be files below this directory too, which belongs to the same user',
    },
    enroll: { type: 'boolean', summary: 'join with a new token, though it has joined before' },
  },
  examples: [
    {
      does: 'join, and stay',
      command: 'KEYHOLD_URL=https://keys.example.com keyhold agent < enrollment-token',
    },
    { does: 'come back', command: 'keyhold agent' },
    { does: 'let secrets be files of a service too', command: 'keyhold agent --allow-path=/srv/app/etc' },
  ],
  run: async ({ options, env, terminal }) => {
    const allowedPaths = options['allow-path']
    if (allowedPaths.some((path) => !path.startsWith('/')))
      throw usageFailure('--allow-path takes an absolute path')
    const { runAgent } = await import('../agent/agent.ts')
    const { 'state-dir': stateDirectory, enroll: isEnrolling } = options
    return runAgent({ stateDirectory, allowedPaths, isEnrolling, env, terminal })
  },
})
