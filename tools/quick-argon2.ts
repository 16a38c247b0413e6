import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'

/*
 * Makes Argon2 quick in tests: it costs a third of a second on purpose, and the suite signs in a thousand times. Loaded before
 * the code under test, into the tests by vitest.config.ts and into the processes that they start by `--import`. Other
 * passwords, salts and parameters still give other keys. What the real one gives is tested in packages/server/test/argon2.test.ts.
 */

/** The one of Node. */
export const realArgon2 = crypto.argon2

const quickArgon2: typeof realArgon2 = (algorithm, parameters, callback) => {
  const { memory, passes, parallelism } = parameters
  const associatedData = Buffer.from(JSON.stringify([memory, passes, parallelism]))
  // The least that RFC 9106 §3.1 allows.
  realArgon2(algorithm, { ...parameters, associatedData, memory: 8 * parallelism, passes: 1 }, callback)
}

/** Puts one in place for modules that are loaded from now on. */
export function useArgon2(one: typeof realArgon2): void {
  crypto.argon2 = one
  syncBuiltinESMExports()
}

useArgon2(quickArgon2)
