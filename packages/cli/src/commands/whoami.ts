import { Keyhold } from '@keyhold/sdk'
import { explained, userAgent } from '../client.ts'
import { defineCommand, jsonOption } from '../command.ts'
import { withWorkloadKey } from '../connection.ts'
import { findCredentials } from '../credentials.ts'
import { shownTime } from '../present.ts'
import { shownPermission } from './access-key/access-key-options.ts'

export const command = defineCommand({
  usage: '[--json]',
  description:
    'Says as whom the other commands act, at which Keyhold, and where the credential is kept. It shows no credential.',
  options: { json: jsonOption },
  examples: [{ does: 'who am I here', command: 'keyhold whoami' }],
  run: ({ options, env, terminal }) =>
    explained(async () => {
      const { connection, source } = findCredentials(await withWorkloadKey(env))
      const keyhold = new Keyhold(connection, { userAgent })
      if (keyhold.credentialKind === 'access-key') {
        const { project, accessKeyId, permission } = await keyhold.call('current.get')
        if (options.json)
          return terminal.printJson({ url: keyhold.url, kept: source, project, accessKeyId, permission })
        terminal.print(`access key ${accessKeyId} of project ${project.name}: ${shownPermission[permission]}`)
      } else {
        const { account, expiresAt } = await keyhold.call('session.get')
        if (options.json) return terminal.printJson({ url: keyhold.url, kept: source, account, expiresAt })
        terminal.print(`${account.name} (${account.email}), ${account.role}`)
        terminal.print(`access token, ${expiresAt === null ? 'no expiry' : `until ${shownTime(expiresAt)}`}`)
      }
      terminal.print(`at ${keyhold.url}`)
      terminal.print(`kept in ${source}`)
    }),
})
