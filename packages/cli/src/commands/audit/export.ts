import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { usageFailure } from '../../failure.ts'
import { writeBytes } from '../../present.ts'

export const command = defineCommand({
  usage: '> FILE',
  description:
    'For administrators. Writes the whole audit log, with its signed checkpoints, for "keyhold audit verify". It has no values of\n' +
    'secrets in it.',
  options: {},
  examples: [
    {
      does: 'export the log and verify it',
      command: 'keyhold audit export > audit.log && keyhold audit verify audit.log',
    },
  ],
  run: ({ env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      if (terminal.isOutputTerminal)
        throw usageFailure('this is long', 'send it into a file: keyhold audit export > audit.log')
      for await (const bytes of keyhold.stream('audit.export', { deadlineMs: 60_000 })) writeBytes(bytes)
    }),
})
