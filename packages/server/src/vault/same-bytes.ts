import { timingSafeEqual } from 'node:crypto'

/** Compares two values without telling by the time it takes where they differ. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}
