import { limits } from '@keyhold/contract/limits'
import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { usageFailure } from '../../failure.ts'
import { confirmed, yesOption } from '../../present.ts'

const usage =
  '[--rotate-tokens=DAYS] [--rotate-api-keys=DAYS] [--rotate-passwords=DAYS] [--remind=DAYS] [--max-token-life=DAYS] [--max-access-key-life=DAYS] [--max-session-life=HOURS] [--require-second-factor=yes|no] [--keep-audit=DAYS [--yes]]'

const life = (what: string) =>
  ({
    type: 'string',
    placeholder: 'DAYS',
    summary: `longest life of ${what} made from now on, or any`,
  }) as const

const rotation = (what: string) =>
  ({
    type: 'string',
    placeholder: 'DAYS',
    summary: `days after which ${what} are due for rotation, or never`,
  }) as const

export const command = defineCommand({
  usage,
  description: 'For administrators. What is not named stays as it is.',
  options: {
    'rotate-tokens': rotation('tokens'),
    'rotate-api-keys': rotation('API keys and access keys'),
    'rotate-passwords': rotation('passwords'),
    'max-token-life': life('access tokens'),
    'max-access-key-life': life('access keys'),
    'max-session-life': {
      type: 'string',
      placeholder: 'HOURS',
      summary: `longest browser session that began without a passkey, 1 to ${limits.sessionHours}`,
    },
    'require-second-factor': {
      type: 'string',
      placeholder: 'ANSWER',
      choices: ['yes', 'no'],
      summary: 'whether everybody signs in with a code besides the password',
    },
    'keep-audit': {
      type: 'string',
      placeholder: 'DAYS',
      summary: `days after which audit records are removed for good, ${limits.auditRetentionDaysMin} or more, or never`,
    },
    remind: {
      type: 'string',
      placeholder: 'DAYS',
      summary: 'days before a credential expires on which its person is reminded; 0 for never',
    },
    yes: yesOption,
  },
  examples: [
    { does: 'rotate passwords every year', command: 'keyhold settings set --rotate-passwords=365' },
    {
      does: 'let no access token live longer than 90 days',
      command: 'keyhold settings set --max-token-life=90',
    },
    { does: 'keep the audit log for two years', command: 'keyhold settings set --keep-audit=730' },
    { does: 'never ask for new API keys', command: 'keyhold settings set --rotate-api-keys=never' },
  ],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const days = (
        name: 'rotate-tokens' | 'rotate-api-keys' | 'rotate-passwords' | 'remind',
      ): number | null | undefined => {
        const text = options[name]
        if (text === undefined) return undefined
        if (text === 'never' && name !== 'remind') return null
        const count = /^\d{1,4}$/.test(text) ? Number(text) : undefined
        if (name === 'remind') {
          if (count === undefined || count > 365)
            throw usageFailure('--remind is a number of days, 0 to 365', '0 for no reminders of expiry')
        } else if (count === undefined || count < 1 || count > 3650) {
          throw usageFailure(`--${name} is a number of days, 1 to 3650, or never`)
        }
        return count
      }
      const wanted = {
        token: days('rotate-tokens'),
        apiKey: days('rotate-api-keys'),
        password: days('rotate-passwords'),
      }
      const rotationDays = Object.fromEntries(
        Object.entries(wanted).filter(([, value]) => value !== undefined),
      )
      const reminderDays = days('remind')
      const maximumLife = {
        ...lifeOf('accessTokenDays', 'max-token-life', options['max-token-life'], 3650),
        ...lifeOf('accessKeyDays', 'max-access-key-life', options['max-access-key-life'], 3650),
        ...lifeOf('sessionHours', 'max-session-life', options['max-session-life'], limits.sessionHours),
      }
      const required = options['require-second-factor']
      const auditRetentionDays = retentionDays(options['keep-audit'])
      const body = {
        ...(Object.keys(rotationDays).length > 0 && { rotationDays }),
        ...(typeof reminderDays === 'number' && { reminderDays }),
        ...(Object.keys(maximumLife).length > 0 && { maximumLife }),
        ...(required !== undefined && { requireSecondFactor: required === 'yes' }),
        ...(auditRetentionDays !== undefined && { auditRetentionDays }),
      }
      if (Object.keys(body).length === 0)
        throw usageFailure('say what to change', `keyhold settings set ${usage}`)
      if (typeof auditRetentionDays === 'number')
        confirmed(
          terminal,
          options.yes,
          `remove the contents of audit records older than ${auditRetentionDays} days, now and from now on? This cannot be undone`,
        )
      await keyhold.call('settings.update', { body })
      terminal.note('settings changed')
    }),
})

/** @param text undefined: it stays as it is */
function lifeOf(
  key: 'accessTokenDays' | 'accessKeyDays' | 'sessionHours',
  option: string,
  text: string | undefined,
  max: number,
): { readonly [name: string]: number | null } {
  if (text === undefined) return {}
  if (text === 'any') return { [key]: null }
  const count = /^\d{1,4}$/.test(text) ? Number(text) : 0
  if (count < 1 || count > max) throw usageFailure(`--${option} is a number, 1 to ${max}, or any`)
  return { [key]: count }
}

function retentionDays(text: string | undefined): number | null | undefined {
  if (text === undefined) return undefined
  if (text === 'never') return null
  const { auditRetentionDaysMin: min, auditRetentionDaysMax: max } = limits
  const days = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (days < min || days > max)
    throw usageFailure(`--keep-audit is a number of days, ${min} to ${max}, or never`)
  return days
}
