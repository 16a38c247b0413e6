import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'

export const command = defineCommand({
  usage: '[--json]',
  description:
    'Prints the signed head of the log. Keep it, and the verifier key, somewhere else than the server: with them\n' +
    '"keyhold audit verify" also finds a log that was rolled back, or replaced and signed anew.',
  options: { json: jsonOption },
  examples: [
    { does: 'keep the head of the log', command: 'keyhold audit checkpoint > 2026-06-01.checkpoint' },
  ],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const answer = await keyhold.call('audit.checkpoint')
      if (options.json) return terminal.printJson(answer)
      terminal.note(`verifier key: ${answer.verifierKey}`)
      terminal.print(answer.checkpoint.replace(/\n$/, ''))
    }),
})
