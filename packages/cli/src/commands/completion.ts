import { defineCommand } from '../command.ts'
import { completionScript } from '../completion.ts'

export const command = defineCommand({
  usage: 'bash|zsh|fish',
  arguments: [{ name: 'SHELL', summary: 'bash, zsh or fish', choices: ['bash', 'zsh', 'fish'] }],
  options: {},
  examples: [
    { does: 'bash, for this session', command: 'source <(keyhold completion bash)' },
    { does: 'zsh, for this session', command: 'source <(keyhold completion zsh)' },
    { does: 'fish, for good', command: 'keyhold completion fish > ~/.config/fish/completions/keyhold.fish' },
  ],
  async run({ args, terminal }) {
    terminal.print(await completionScript(args[0] as 'bash' | 'zsh' | 'fish')) // one of the choices, so it was parsed
  },
})
