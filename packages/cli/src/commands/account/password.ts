import { limits } from '@keyhold/contract/limits'
import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { askNewPassword, PASSWORD_DEADLINE_MS } from './new-password.ts'

export const command = defineCommand({
  usage: '',
  description:
    'Asks for the current and the new password on the terminal. Your sessions in browsers end; your access tokens stay.',
  options: {},
  examples: [{ does: 'change your password', command: 'keyhold account password' }],
  run: ({ env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      // First of all: somebody who is not signed in should not type a password.
      const { account } = await keyhold.call('session.get')
      const currentPassword = await terminal.askSecret(`current password of ${account.email}:`)
      const newPassword = await askNewPassword(
        terminal,
        currentPassword,
        account.hasSecondFactor ? limits.passwordLengthMinWithFactor : limits.passwordLengthMin,
      )
      const input = {
        body: { currentPassword, newPassword },
        confidential: [currentPassword, newPassword],
        deadlineMs: PASSWORD_DEADLINE_MS,
      }
      await keyhold.call('account.password', input)
      terminal.note(`the password of ${account.email} is changed`)
      terminal.hint('if somebody else knew it, look at your access tokens as well: keyhold token list')
    }),
})
