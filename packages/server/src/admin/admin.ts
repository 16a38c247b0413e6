import { createToken, createUser, resetSecondFactor } from './accounts.ts'
import { backup, restore, verifyBackup } from './backup.ts'
import { type AdminCommand, parseCommand } from './command.ts'
import { print, UsageError } from './output.ts'
import { createKit, useKit, verifyKit } from './recovery-kit.ts'
import { activate, cancel, prepare, retire, status } from './root-key.ts'
import { changePassphrase, seal, unseal, unsealForGood } from './root-key-seal.ts'
import { instanceStatus } from './status.ts'

/** Every command of `keyhold admin`, in the order of the help. */
const commands: Readonly<Record<string, AdminCommand>> = {
  status: instanceStatus,
  'create-user': createUser,
  'create-token': createToken,
  'reset-second-factor': resetSecondFactor,
  backup,
  'backup verify': verifyBackup,
  restore,
  'recovery-kit create': createKit,
  'recovery-kit verify': verifyKit,
  'recovery-kit use': useKit,
  'root-key status': status,
  'root-key prepare': prepare,
  'root-key activate': activate,
  'root-key retire': retire,
  'root-key cancel': cancel,
  'root-key seal': seal,
  'root-key change-passphrase': changePassphrase,
  'root-key unseal': unsealForGood,
  unseal,
}

const usage = `usage:\n${Object.values(commands)
  .map((command) => `  keyhold admin ${command.usage}\n      ${command.summary}`)
  .join('\n')}`

/** Commands for the server's own machine. @throws UsageError */
export async function admin(line: readonly string[]): Promise<void> {
  const [first = '', second = ''] = line
  if (first === '--help' || first === 'help') return print(`${usage}\n`)
  const isPair = Object.hasOwn(commands, `${first} ${second}`)
  const name = isPair ? `${first} ${second}` : first
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (!command) throw new UsageError(usage)
  const rest = line.slice(isPair ? 2 : 1)
  if (rest.includes('--help')) return print(`usage: keyhold admin ${command.usage}\n  ${command.summary}\n`)
  const { given, args } = parseCommand(command, rest)
  await command.run(given, args)
}
