import { becomeServer } from '../become-server.ts'
import { defineCommand } from '../command.ts'

export const command = defineCommand({
  usage: 'COMMAND [OPTIONS]',
  description:
    'Everything after `admin` is read by the server program; `keyhold admin --help` lists its commands.',
  options: {},
  examples: [
    {
      does: 'make the first account; the password is read from standard input',
      command: 'keyhold admin create-user --email ada@example.com --name Ada --admin --password-stdin',
    },
  ],
  passesThrough: true,
  run: async ({ args, env }) => becomeServer(args, env),
})
