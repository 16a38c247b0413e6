import * as api from '@keyhold/contract/api/device-logins'
import { Secret } from '@keyhold/contract/secret'
import type { Machine, Person } from '../../access/caller.ts'
import type { InstanceSettings } from '../../accounts/settings.service.ts'
import { AppError } from '../../base/app-error.ts'
import type { Clock } from '../../base/clock.ts'
import { FailedAttempts } from '../../http/attempts.ts'
import type { Http } from '../../http/http.ts'
import { toAnswer } from './access-token.ts'
import { DEVICE_LOGIN_MS, type DeviceLogins, INTERVAL_S } from './device-login.service.ts'
import { deviceLoginAnswer } from './device-login.ts'

/** Sign-ins that are begun at an address, also by many people behind it, while one can last. */
const BEGUN_PER_ADDRESS_MAX = 60
/** User codes that nobody has, per person. */
const WRONG_CODES_MAX = 10
const WRONG_CODES_MS = 5 * 60_000

export function deviceLoginRoutes(
  http: Http<Person, Machine>,
  logins: DeviceLogins,
  settings: InstanceSettings,
  clock: Clock,
  publicUrl: string,
): void {
  const begun = new FailedAttempts(clock, BEGUN_PER_ADDRESS_MAX, DEVICE_LOGIN_MS)
  const wrongCodes = new FailedAttempts(clock, WRONG_CODES_MAX, WRONG_CODES_MS)

  /** Runs what takes a user code, with a limit to guessing. */
  async function limited<T>({ accountId }: Person, work: () => Promise<T>): Promise<T> {
    wrongCodes.assertAllowed(accountId)
    // Counted before the answer is known, so that parallel guesses cannot all pass.
    wrongCodes.recordFailure(accountId)
    try {
      const result = await work()
      wrongCodes.forgive(accountId)
      return result
    } catch (error) {
      if (!(error instanceof AppError && error.code === 'device_login.not_found'))
        wrongCodes.forgive(accountId)
      throw error
    }
  }

  http.anyone(api.beginDeviceLogin, async ({ body, origin }) => {
    const address = origin.address ?? ''
    begun.assertAllowed(address)
    begun.recordFailure(address)
    const { deviceCode, userCode } = await logins.begin(origin, {
      name: body.name,
      scopes: body.scopes ?? null,
      expiresAt: body.expiresAt === undefined ? null : new Date(body.expiresAt),
    })
    const verificationUri = `${publicUrl}/device`
    const shownCode = userCode.reveal()
    return {
      deviceCode: deviceCode.reveal(),
      userCode: shownCode,
      verificationUri,
      verificationUriComplete: `${verificationUri}#code=${shownCode}`,
      expiresIn: DEVICE_LOGIN_MS / 1000,
      interval: INTERVAL_S,
    }
  })

  http.anyone(api.finishDeviceLogin, async ({ body, origin }) => {
    const made = await logins.finish(origin, new Secret(body.deviceCode), body.confirmationCode)
    const { rotationDays } = await settings.current()
    return {
      accessToken: toAnswer(made.accessToken, clock.now(), rotationDays.token),
      token: made.token.reveal(),
    }
  })

  http.person(api.findDeviceLogin, async ({ caller, origin, body }) =>
    deviceLoginAnswer(await limited(caller, () => logins.find({ caller, origin }, body.userCode))),
  )
  http.person(api.approveDeviceLogin, async ({ caller, origin, body }) => {
    const code = await limited(caller, () => logins.approve({ caller, origin }, body.userCode))
    return { confirmationCode: code.reveal() }
  })
  http.person(api.denyDeviceLogin, ({ caller, origin, body }) =>
    limited(caller, () => logins.deny({ caller, origin }, body.userCode)),
  )
}
