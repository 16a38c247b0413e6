import { becomeServer } from '../become-server.ts'
import { defineCommand } from '../command.ts'

export const command = defineCommand({
  usage: '',
  description: 'It is configured by variables of its environment, which `keyhold server --help` lists.',
  options: {},
  examples: [{ does: 'start on port 8080 with data in ./data', command: 'keyhold server' }],
  passesThrough: true,
  run: async ({ args, env }) => becomeServer(args, env),
})
