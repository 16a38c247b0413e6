import { isatty } from 'node:tty'
import type { Scope } from '@keyhold/contract/actions'
import { type Keyhold, KeyholdError } from '@keyhold/sdk'
import { Failure } from '../../failure.ts'
import type { Terminal } from '../../terminal.ts'

/** What the access token of this machine should be. */
export interface TokenWish {
  readonly name: string
  /** null: all rights of the person. */
  readonly scopes: Scope[] | null
  /** null: as the server sets it. */
  readonly expiresAt: string | null
}

export interface MadeToken {
  readonly accessToken: { readonly id: string; readonly name: string; readonly expiresAt: string | null }
  readonly token: string
}

/** RFC 8628 §3.5: added to the interval when the server says to slow down. */
const SLOW_DOWN_S = 5
const ATTEMPTS_MAX = 5

/**
 * Begins a sign-in, tells the person where to approve it, and waits until somebody has (RFC 8628).
 *
 * @returns a function that asks for the code which the approver was shown, and gets the access token with it
 * @throws Failure when it was denied or took too long; KeyholdError
 */
export async function waitForApproval(
  keyhold: Keyhold,
  { name, scopes, expiresAt }: TokenWish,
  terminal: Terminal,
): Promise<() => Promise<MadeToken>> {
  if (!isatty(2)) {
    throw new Failure('there is no terminal here to show a code and to type one', {
      hints: ['in a script: keyhold login --email=… --password-stdin, or set KEYHOLD_TOKEN'],
    })
  }
  const begun = await keyhold.call('device-login.begin', {
    body: { name, scopes, ...(expiresAt !== null && { expiresAt }) },
  })
  terminal.note('open this address where you are signed in, and approve this machine:')
  terminal.note(`  ${begun.verificationUriComplete}`)
  terminal.note(`or, on another machine where you are signed in: keyhold approve-login ${begun.userCode}`)
  terminal.hint('nowhere signed in yet? keyhold login --password')
  const { deviceCode } = begun
  await untilDecided(keyhold, deviceCode, begun.interval, Date.now() + begun.expiresIn * 1_000)
  /** For the transport: a text that may not come back out in an error, whatever answered. */
  const secretly = { confidential: [deviceCode] }
  return async () => {
    terminal.note('approved; you were shown a code there')
    for (let attempt = 1; ; attempt++) {
      const confirmationCode = terminal.ask('that code:').trim()
      if (confirmationCode === '') continue
      try {
        return await keyhold.call('device-login.finish', {
          body: { deviceCode, confirmationCode },
          ...secretly,
        })
      } catch (error) {
        const isWrong = error instanceof KeyholdError && error.code === 'device_login.confirmation_wrong'
        if (!isWrong || attempt === ATTEMPTS_MAX) throw error
        terminal.note('that is not the code that was shown')
      }
    }
  }
}

/** Asks again and again, as often as the server wants, until the sign-in is approved. */
async function untilDecided(
  keyhold: Keyhold,
  deviceCode: string,
  firstIntervalS: number,
  endsAt: number,
): Promise<void> {
  let intervalS = firstIntervalS
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, intervalS * 1_000))
    try {
      await keyhold.call('device-login.finish', { body: { deviceCode }, ...{ confidential: [deviceCode] } })
    } catch (error) {
      if (!(error instanceof KeyholdError)) throw error
      if (error.code === 'device_login.confirmation_required') return
      if (error.code === 'device_login.slow_down')
        intervalS = error.retryAfterSeconds ?? intervalS + SLOW_DOWN_S
      else if (error.code !== 'device_login.authorization_pending' && !isPassing(error)) throw error
      // A server that is away may be back before the sign-in is over.
      if (Date.now() > endsAt) throw new Failure('nobody approved it in time; begin again: keyhold login')
    }
  }
}

const isPassing = ({ status = 503, code }: KeyholdError): boolean =>
  code.startsWith('network.') || status === 429 || status >= 500
