import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'vitest'
import { databases, newPostgresDatabase } from '../../packages/server/test/kit.ts'
import { crash } from './crash.ts'

/** How long the suite kills servers; `node e2e/crash/main.ts --rounds 500` goes on for as long as one likes. */
const DURATION_MS = 25_000
/** A machine that is busy with other things may take longer, for fewer rounds. */
const TIMEOUT_MS = 240_000
const ROUNDS_MIN = 7

describe.concurrent('a server that is killed at any moment', () => {
  // `for`, not `each`: it hands over the context. The global onTestFinished of tests that run at once may belong to the
  // other one, whose end would then remove this one's data.
  test.for(databases)(
    'keeps what it acknowledged, recorded what it delivered, and its log verifies, on %s (L2)',
    { timeout: TIMEOUT_MS },
    async (database, { expect, onTestFinished }) => {
      const dataDir = mkdtempSync(join(tmpdir(), 'keyhold-crash-'))
      onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }))
      const postgres = database === 'postgres' ? await newPostgresDatabase() : undefined
      const endsAt = Date.now() + DURATION_MS
      const figures = await crash({
        env: { KEYHOLD_DATA_DIR: dataDir, ...(postgres && { KEYHOLD_DATABASE_URL: postgres.url }) },
        isEnough: ({ rounds, writes, values }) =>
          Date.now() > endsAt && rounds >= ROUNDS_MIN && writes > 0 && values > 0,
      })
      await postgres?.drop()
      console.info(database, figures)
      expect(figures.cutOff).toBeGreaterThan(0)
    },
  )
})
