import { defineCommand } from '../command.ts'
import { findCommand } from '../find-command.ts'
import { commandHelp, nounHelp, overview } from '../help.ts'

export const command = defineCommand({
  usage: '[COMMAND [VERB]]',
  arguments: [
    { name: 'COMMAND', summary: 'what to explain', isOptional: true },
    { name: 'VERB', summary: 'its second word', isOptional: true },
  ],
  options: {},
  examples: [{ does: 'explain run', command: 'keyhold help run' }],
  async run({ args, terminal }) {
    if (args.length === 0) return terminal.print(overview())
    const found = await findCommand(args)
    if ('noun' in found) return terminal.print(nounHelp(found.noun))
    const { command } = await found.entry.load()
    terminal.print(commandHelp(found.path, found.entry.summary, command, false))
  },
})
