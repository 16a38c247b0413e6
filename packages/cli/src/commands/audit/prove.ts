import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { usageFailure } from '../../failure.ts'

export const command = defineCommand({
  usage: 'INDEX',
  description: `Writes a file that proves that a record is in the audit log, with the record in it. Whoever knows the verifier key
can verify it without the server.`,
  arguments: [{ name: 'INDEX', summary: 'position of the record, from "keyhold audit list --json"' }],
  options: {},
  examples: [
    { does: 'keep the proof of a record', command: 'keyhold audit prove 1234 > record.tlog-proof' },
    {
      does: 'verify it',
      command: 'keyhold audit verify record.tlog-proof --proof --key=keyhold-audit/…+1a2b3c4d+…',
    },
  ],
  run: ({ args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [index = ''] = args
      if (!/^\d{1,15}$/.test(index)) throw usageFailure('INDEX is a number', 'keyhold audit prove INDEX')
      const { proof } = await keyhold.call('audit.prove', { params: { index: Number(index) } })
      terminal.print(proof.trimEnd())
    }),
})
