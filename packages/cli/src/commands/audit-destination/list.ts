import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { sayEmpty, shownTime } from '../../present.ts'

export const command = defineCommand({
  usage: '[--json]',
  description:
    'For administrators. PENDING is how many records of the log nothing that was sent covers yet; with checkpoints alone, up to a\n' +
    'minute of them is usual.',
  options: { json: jsonOption },
  examples: [{ does: 'see whether the log arrives', command: 'keyhold audit-destination list' }],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { destinations } = await keyhold.call('audit-destination.list')
      if (options.json) return terminal.printJson(destinations)
      if (destinations.length === 0)
        return sayEmpty(
          terminal,
          'the audit log is sent nowhere',
          'keep its checkpoints on another machine: keyhold audit-destination add syslog+tls://HOST:6514',
        )
      terminal.printTable(
        ['TARGET', 'SENT', 'PENDING', 'LAST SUCCESS', 'LAST ERROR', 'ID'],
        destinations.map((one) => [
          one.target,
          one.isSentRecords ? 'records' : 'checkpoints',
          String(one.pending),
          one.lastSuccessAt === null ? 'never' : shownTime(one.lastSuccessAt),
          one.lastFailure === null ? '' : `${one.lastFailure} (${one.failures} times)`,
          one.id,
        ]),
      )
    }),
})
