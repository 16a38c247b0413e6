import { expect, test } from 'vitest'
import { drill } from './drill.ts'

const TIMEOUT_MS = 600_000

test('two servers killed in turn, the root key exchanged, everything wiped and restored from backup and recovery kit: nothing that was acknowledged is lost, and the log verifies (K2, K4)', {
  timeout: TIMEOUT_MS,
}, async () => {
  const figures = await drill(() => {})
  console.info(figures)
  expect(figures.writes).toBeGreaterThan(0)
  expect(figures.values).toBeGreaterThan(0)
})
