import { type CallAnswer, type CallArguments, Keyhold, KeyholdError, type RouteId } from '@keyhold/sdk'

export type { CallAnswer, RouteId }
export { KeyholdError }

/** The session's cookie goes along by itself. The browser's own name is what the session is listed under. */
const keyhold = new Keyhold(
  { url: location.origin },
  {
    deadlineMs: 30_000,
    fetch: (url, init) => {
      const headers = new Headers(init.headers)
      headers.delete('user-agent')
      return fetch(url, { ...init, headers })
    },
  },
)

/** What any call may need of the application around it. Set by the parts that do it. */
export const around = {
  /** The session is over: go and sign in. */
  signedOut: (): void => {},
  /** One more thing is needed before anything else, such as a code. */
  unfinished: (_code: string): void => {},
  /** Asks the person to confirm that it is them. @returns whether they did. */
  stepUp: async (): Promise<boolean> => false,
}

/** Codes after which nothing works until the person has done something about their sign-in. */
const unfinishedCodes: ReadonlySet<string> = new Set([
  'session.second_factor_required',
  'account.password_change_required',
  'second_factor.required',
])

/**
 * Calls a route. Where the server wants to know first that it is still the same person, they are asked, and the call is
 * repeated.
 *
 * @throws KeyholdError
 */
export async function call<Id extends RouteId>(id: Id, ...input: CallArguments<Id>): Promise<CallAnswer<Id>> {
  try {
    return await keyhold.call(id, ...input)
  } catch (error) {
    const code = codeOf(error)
    if (code === 'session.reauthentication_required' && (await around.stepUp()))
      return keyhold.call(id, ...input)
    if (code === 'auth.required') around.signedOut()
    else if (code !== undefined && unfinishedCodes.has(code)) around.unfinished(code)
    throw error
  }
}

/** Calls a route whose refusal is an answer, such as a wrong password, and has no part in the session. @throws KeyholdError */
export function callPlainly<Id extends RouteId>(
  id: Id,
  ...input: CallArguments<Id>
): Promise<CallAnswer<Id>> {
  return keyhold.call(id, ...input)
}

/** The code of an error that the server or the client of the API has named. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof KeyholdError ? error.code : undefined
}

/** Whether the same call may well succeed later. */
export function isPassing(error: unknown): boolean {
  return error instanceof KeyholdError && (error.code.startsWith('network.') || (error.status ?? 0) >= 500)
}
