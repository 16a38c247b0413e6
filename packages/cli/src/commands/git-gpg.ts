import { defineCommand } from '../command.ts'
import { gitGpg } from '../git/git-gpg.ts'

export const command = defineCommand({
  usage: '[GPG ARGUMENT…]',
  description: `What git starts in place of gpg (gpg.program) where the owner of the workspace has a GPG key. A signature with that key is
made by Keyhold, which has the private half; for everything else, such as verifying, it becomes the gpg of this machine.`,
  options: {},
  examples: [{ does: 'see which program git starts', command: 'git config gpg.program' }],
  passesThrough: true,
  async run({ args: [_name, ...args], env }) {
    await gitGpg(args, env)
    return 0
  },
})
