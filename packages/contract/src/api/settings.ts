import Type, { type Static } from 'typebox'
import { limits } from '../limits.ts'
import { route } from '../route.ts'
import { Nullable } from './shapes.ts'

const Days = Nullable(Type.Integer({ minimum: 1, maximum: 3650 }))

/** The longest life of what is made from now on. `null`: as long as its maker wants. */
const MaximumLife = Type.Object({
  accessTokenDays: Days,
  accessKeyDays: Days,
  /** Of browser sessions that began without a passkey; `null`: 12, as those with one. */
  sessionHours: Nullable(Type.Integer({ minimum: 1, maximum: limits.sessionHours })),
})

export const Settings = Type.Object({
  /** Days after which a credential of this kind is due for rotation; `null`: never. */
  rotationDays: Type.Object({ token: Days, apiKey: Days, password: Days }),
  /** Days before a credential expires on which its person is reminded; 0: no reminders of expiry. */
  reminderDays: Type.Integer({ minimum: 0, maximum: 365 }),
  maximumLife: MaximumLife,
  /** Everybody has to have a second factor; without one, nothing else is allowed. */
  requireSecondFactor: Type.Boolean(),
  /** Days that audit records are kept; `null`: for ever. */
  auditRetentionDays: Nullable(
    Type.Integer({ minimum: limits.auditRetentionDaysMin, maximum: limits.auditRetentionDaysMax }),
  ),
})
export type Settings = Static<typeof Settings>

export const getSettings = route({
  id: 'settings.get',
  method: 'GET',
  path: '/api/v1/settings',
  summary: 'See the settings of the instance',
  caller: 'person',
  scope: 'settings:read',
  action: 'settings.read',
  status: 200,
  answer: Settings,
})

export const updateSettings = route({
  id: 'settings.update',
  method: 'PATCH',
  path: '/api/v1/settings',
  summary: 'Change the settings of the instance (administrators); what is not named stays',
  caller: 'person',
  scope: 'settings:write',
  action: 'settings.update',
  body: Type.Object(
    {
      rotationDays: Type.Optional(
        Type.Object(
          { token: Type.Optional(Days), apiKey: Type.Optional(Days), password: Type.Optional(Days) },
          { additionalProperties: false },
        ),
      ),
      reminderDays: Type.Optional(Settings.properties.reminderDays),
      maximumLife: Type.Optional(Type.Partial(MaximumLife, { additionalProperties: false })),
      requireSecondFactor: Type.Optional(Type.Boolean()),
      auditRetentionDays: Type.Optional(Settings.properties.auditRetentionDays),
    },
    { additionalProperties: false, minProperties: 1 },
  ),
  status: 200,
  answer: Settings,
})
