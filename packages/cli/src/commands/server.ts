import { becomeServer } from '../become-server.ts'
import { defineCommand } from '../command.ts'

export const command = defineCommand({
  usage: '[OPTIONS]',
  description:
    'Everything after `server` is read by the server program; `keyhold server --help` lists its options.',
  options: {},
  examples: [{ does: 'start on port 8080 with data in ./data', command: 'keyhold server' }],
  passesThrough: true,
  run: async ({ args, env }) => becomeServer(args, env),
})
