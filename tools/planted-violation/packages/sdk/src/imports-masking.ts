// violates sdk-imports-contract-only
// violates packages-meet-by-name
import type { Some } from '../../masking/src/masking.ts'
export type Used = Some
