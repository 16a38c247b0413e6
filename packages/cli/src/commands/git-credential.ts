import { writeSync } from 'node:fs'
import { defineCommand } from '../command.ts'
import { gitCredential } from '../git/git-credential.ts'

export const command = defineCommand({
  usage: 'get|store|erase',
  description: `Speaks the protocol of git's credential helpers (git-credential(1)) on standard input and output. In a workspace
git is told to call it for the code hosts that the owner of the workspace has connected, and for no other: only by https,
and only where host and port are the same to the letter. It stores nothing.`,
  arguments: [{ name: 'OPERATION', summary: 'get, store or erase' }],
  options: {},
  examples: [
    {
      does: 'see whether a host is connected',
      command: "printf 'protocol=https\\nhost=github.com\\n' | keyhold git-credential get | grep username",
    },
  ],
  async run({ args: [operation], env }) {
    const answer = await gitCredential(operation, env)
    if (answer !== undefined) writeSync(1, answer)
  },
})
