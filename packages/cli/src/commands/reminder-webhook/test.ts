import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { Failure } from '../../failure.ts'

export const command = defineCommand({
  usage: '',
  description: 'Posts a message without reminders to your address, signed like all others.',
  options: {},
  examples: [{ does: 'see whether the address takes messages', command: 'keyhold reminder-webhook test' }],
  run: ({ env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { failure } = await keyhold.call('reminder-webhook.test')
      if (failure !== null) throw new Failure(`the test message did not arrive: ${failure}`)
      terminal.note('the test message arrived')
    }),
})
