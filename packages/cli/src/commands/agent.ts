import { defineCommand } from '../command.ts'

export const command = defineCommand({
  usage: '[--state-dir=DIRECTORY] [--enroll]',
  description: `Runs until it is stopped or cut off. The first time it needs an enrollment token, which the owner of the workspace makes with
"keyhold workspace enroll", and the address of Keyhold in KEYHOLD_URL. The token comes from standard input, from
KEYHOLD_ENROLLMENT_TOKEN, or from the file that KEYHOLD_ENROLLMENT_TOKEN_FILE names. What the agent needs to come back
is kept in its state directory, where it belongs to this machine alone: do not copy it.`,
  options: {
    'state-dir': {
      type: 'string',
      placeholder: 'DIRECTORY',
      summary: 'where its credential is kept; default: keyhold-agent in $XDG_STATE_HOME or ~/.local/state',
    },
    enroll: { type: 'boolean', summary: 'join with a new token, though it has joined before' },
  },
  examples: [
    {
      does: 'join, and stay',
      command: 'KEYHOLD_URL=https://keys.example.com keyhold agent < enrollment-token',
    },
    { does: 'come back', command: 'keyhold agent' },
  ],
  run: async ({ options, env, terminal }) => {
    const { runAgent } = await import('../agent/agent.ts')
    return runAgent({ stateDirectory: options['state-dir'], isEnrolling: options.enroll, env, terminal })
  },
})
