import { connected } from '../client.ts'
import { defineCommand, jsonOption } from '../command.ts'
import { shownTimeOr } from '../present.ts'

export const command = defineCommand({
  usage: '[--json]',
  description: `Shows how the instance is, to administrators: health, servers, root keys by fingerprint, recovery kit, last backup and the
options that were set. On the server's machine "keyhold admin status" says what it needs.`,
  options: { json: jsonOption },
  examples: [
    { does: 'see whether all is well', command: 'keyhold instance' },
    {
      does: 'note the key that signs the audit log',
      command: 'keyhold instance --json | jq -r .auditVerifierKey',
    },
  ],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const instance = await keyhold.call('instance.get')
      if (options.json) return terminal.printJson(instance)
      const current = instance.rootKeys.find(({ state }) => state === 'current')
      terminal.printTable(
        ['', ''],
        [
          ['address', instance.url],
          ['release', instance.release],
          ['database', instance.database],
          ['root key', current?.fingerprint ?? ''],
          [
            'recovery kit',
            current?.kitProvenAt ? 'proven' : current?.kitMadeAt ? 'made, not proven' : 'missing',
          ],
          ['audit log', instance.auditVerifierKey],
          ['last backup', shownTimeOr(instance.lastBackupAt, 'Never')],
          ['mail', instance.hasMail ? 'is sent' : 'none: KEYHOLD_SMTP_URL is not set'],
          ['servers', instance.servers.map(({ host, release }) => `${host} (${release})`).join(', ')],
          ...Object.entries(instance.checks).map(([name, line]) => [`check ${name}`, line]),
          ...instance.options
            .filter(({ isSet }) => isSet)
            .map(({ name, shown }) => [name, shown ?? 'is set']),
        ],
      )
    }),
})
