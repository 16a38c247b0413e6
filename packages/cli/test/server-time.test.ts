import { expect, test } from 'vitest'
import { ServerTime } from '../src/agent/server-time.ts'

/** A machine whose clock is wrong, can be set, and that can sleep. */
function machine(wall: number) {
  const at = { wall, monotonic: 5 }
  return { at, clocks: { wall: () => at.wall, monotonic: () => at.monotonic } }
}

test.each([
  ['a year behind', -365 * 86_400_000],
  ['a year ahead', 365 * 86_400_000],
])('the time of the server on a machine whose clock is %s', (_, skew) => {
  const { at, clocks } = machine(1_000_000_000 + skew)
  const time = new ServerTime(clocks)
  time.start(1_000_000_000)
  at.wall += 60_000
  at.monotonic += 60_000
  expect(time.now()).toBe(1_000_060_000)
})

test('a clock that is set back, or a machine that slept, makes nothing last longer', () => {
  const { at, clocks } = machine(1_000)
  const time = new ServerTime(clocks)
  time.start(0)
  at.monotonic += 10_000
  at.wall -= 3_600_000
  expect(time.now()).toBe(10_000)
  at.wall = 1_000 + 7_200_000
  expect(time.now()).toBe(7_200_000)
})
