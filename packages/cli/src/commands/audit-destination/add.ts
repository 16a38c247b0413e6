import { sentRecords } from '@keyhold/contract/api/audit-destinations'
import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { readCa } from '../repository-provider/provider-options.ts'

export const command = defineCommand({
  usage: 'TARGET [--records=WHICH] [--ca=FILE] [--json]',
  description: `For administrators. Sends each signed checkpoint of the log there, and the records too if you want. Whoever has the
checkpoints can tell later that the log was cut, edited or rolled back: keyhold audit verify --checkpoint.

TARGET is one of
  file:NAME                 a file in the server's KEYHOLD_AUDIT_DIR, best on a disk of another machine
  https://HOST/PATH         posted as JSON, signed as Standard Webhooks has it; the secret is printed once
  syslog+tls://HOST:PORT    RFC 5425; likewise syslog+tcp:// (RFC 6587) and syslog+udp:// (RFC 5426)`,
  arguments: [{ name: 'TARGET', summary: 'where it is sent' }],
  options: {
    records: {
      type: 'string',
      placeholder: 'WHICH',
      choices: sentRecords,
      summary: 'records to send besides checkpoints: none (the default), new ones, or all from the beginning',
    },
    ca: {
      type: 'string',
      placeholder: 'FILE',
      summary: 'certificates (PEM) to trust in place of the usual ones',
    },
    json: jsonOption,
  },
  examples: [
    {
      does: 'have every record in a SIEM',
      command: 'keyhold audit-destination add syslog+tls://siem.example.com:6514 --records=all',
    },
    { does: 'keep the checkpoints in a file', command: 'keyhold audit-destination add file:checkpoints.log' },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const records = options.records as (typeof sentRecords)[number] | undefined // `as`: one of the choices.
      const answer = await keyhold.call('audit-destination.create', {
        body: {
          target: args[0] ?? '',
          ...(records !== undefined && { records }),
          ...(options.ca !== undefined && { ca: readCa(options.ca) }),
        },
      })
      if (options.json) return terminal.printJson(answer)
      terminal.note(`the audit log is sent to ${answer.destination.target}`)
      if (answer.secret !== null) {
        terminal.note('the secret that signs what is posted is shown only now')
        terminal.print(answer.secret)
      }
      terminal.hint('see in some seconds whether it arrives: keyhold audit-destination list')
    }),
})
