import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { confirmed, yesOption } from '../../present.ts'
import { findProject, projectOption } from '../project/find-project.ts'
import { handOver, outputOption } from './hand-over.ts'

export const command = defineCommand({
  usage: 'ID [--output=FILE] [--project=PROJECT] [--yes]',
  description:
    'The access key ID remains; the old access key gets 401 at once. The new one is printed, this once, with KEYHOLD_URL, as\n' +
    'lines for an env file.',
  arguments: [{ name: 'ID', summary: 'the access key ID' }],
  options: { output: outputOption, project: projectOption, yes: yesOption, json: jsonOption },
  examples: [
    { does: 'replace a key that leaked', command: 'keyhold access-key regenerate ak_… --output=shop.env' },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [accessKeyId = ''] = args
      const { id: projectId } = await findProject(keyhold, options.project)
      confirmed(
        terminal,
        options.yes,
        `regenerate access key ${accessKeyId}? what uses the old key stops working at once`,
      )
      await handOver(terminal, options.output, options.json, keyhold.url, () =>
        keyhold.call('access-key.regenerate', { params: { projectId, accessKeyId } }),
      )
    }),
})
