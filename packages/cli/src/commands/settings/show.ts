import { limits } from '@keyhold/contract/limits'
import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'

export const command = defineCommand({
  usage: '[--json]',
  description:
    'After how many days credentials are due for rotation, when people are reminded, and how long audit records are kept.',
  options: { json: jsonOption },
  examples: [{ does: 'see the settings', command: 'keyhold settings show' }],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const settings = await keyhold.call('settings.get')
      if (options.json) return terminal.printJson(settings)
      const { token, apiKey, password } = settings.rotationDays
      const { maximumLife } = settings
      const auditDays = settings.auditRetentionDays
      const days = (count: number | null) => (count === null ? 'never' : `${count} days`)
      const longest = (count: number | null) => (count === null ? 'no limit' : `${count} days`)
      terminal.printTable(
        ['SETTING', 'VALUE'],
        [
          ['rotation of tokens', days(token)],
          ['rotation of API keys and access keys', days(apiKey)],
          ['rotation of passwords', days(password)],
          ['second factor', settings.requireSecondFactor ? 'required' : 'up to each person'],
          ['audit records are kept', auditDays === null ? 'for ever' : days(auditDays)],
          ['longest life of access tokens', longest(maximumLife.accessTokenDays)],
          ['longest life of access keys', longest(maximumLife.accessKeyDays)],
          ['longest session without passkey', `${maximumLife.sessionHours ?? limits.sessionHours} hours`],
          ['reminder before expiry', settings.reminderDays === 0 ? 'never' : days(settings.reminderDays)],
        ],
      )
    }),
})
