import { limits } from '@keyhold/contract/limits'
import { Failure } from '../../failure.ts'
import type { Terminal } from '../../terminal.ts'

const ATTEMPTS_MAX = 3

/** Hashing a password takes long on purpose, and one waits for the others. */
export const PASSWORD_DEADLINE_MS = 30_000

/** Asks for a new password, twice, until it is one. @throws Failure */
export async function askNewPassword(
  terminal: Terminal,
  current: string,
  lengthMin: number = limits.passwordLengthMin,
): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    const password = await terminal.askSecret(`new password, at least ${lengthMin} characters:`)
    let problem = passwordProblem(password, current, lengthMin)
    if (problem === undefined) {
      if ((await terminal.askSecret('the same password again:')) === password) return password
      problem = 'the two passwords differ'
    }
    if (attempt === ATTEMPTS_MAX) throw new Failure(`${problem}; nothing was changed`)
    terminal.note(problem)
  }
}

/** Says why this cannot be the new password; undefined when it can. */
export function passwordProblem(
  password: string,
  current: string,
  lengthMin: number = limits.passwordLengthMin,
): string | undefined {
  const { passwordLengthMax } = limits
  // In characters, as the server counts.
  const { length } = [...password]
  if (length < lengthMin) return `the new password has fewer than ${lengthMin} characters`
  if (length > passwordLengthMax) return `the new password has more than ${passwordLengthMax} characters`
  if (password === current) return 'the new password is the one that you have'
  return undefined
}
