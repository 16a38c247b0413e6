import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'

export const command = defineCommand({
  usage: 'URL',
  description: `Keyhold posts JSON to the address when something of yours expires or is due for rotation, signed as Standard
Webhooks has it (headers webhook-id, webhook-timestamp, webhook-signature). The secret that signs it is printed once;
setting an address again makes a new one.`,
  arguments: [{ name: 'URL', summary: 'an https address' }],
  options: {},
  examples: [
    {
      does: 'be told in a chat',
      command: 'keyhold reminder-webhook set https://chat.example.com/hooks/keys',
    },
  ],
  run: ({ args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [url = ''] = args
      const { webhook, secret } = await keyhold.call('reminder-webhook.set', { body: { url } })
      terminal.note(`reminders go to ${webhook.url}; the secret that signs them is shown only now`)
      terminal.print(secret)
      terminal.hint('try it: keyhold reminder-webhook test')
    }),
})
