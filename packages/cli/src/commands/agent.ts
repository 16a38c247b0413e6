import { defineCommand } from '../command.ts'
import { usageFailure } from '../failure.ts'

export const command = defineCommand({
  usage: '[--state-dir=DIRECTORY] [--allow-path=DIRECTORY]… [--enroll]',
  description: `Runs until it is stopped or cut off. The first time it needs an enrollment token, which the owner of the workspace makes with
"keyhold workspace enroll", and the address of Keyhold in KEYHOLD_URL. The token comes from standard input, from
KEYHOLD_ENROLLMENT_TOKEN, or from the file that KEYHOLD_ENROLLMENT_TOKEN_FILE names. What the agent needs to come back
is kept in its state directory, where it belongs to this machine alone: do not copy it.

Secrets that have a path are files there, links to bytes in memory, while the agent runs. It writes only below the home
directory, and never over a file that is there.

While it runs, programs of its user have more: git signs in at the code hosts that the owner has connected, and signs commits
with their key; ssh logs in with their SSH identity. For ssh it adds three lines to the end of ~/.ssh/config, "# Keyhold: …" and
the two below it, which do nothing while no agent runs: they stay when it ends, and are yours to remove when you need it no
more. People come in by SSH where the package openssh-server is installed; it need not run.

Programs find it at a socket, below $XDG_RUNTIME_DIR or /tmp; KEYHOLD_AGENT_SOCKET names another one, for the agent and for
"keyhold run". It ends with exit code 4 when it was cut off or another agent has joined: start it again with --enroll then.`,
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
