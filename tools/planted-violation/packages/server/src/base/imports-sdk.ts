// violates server-imports-contract-and-masking-only
// violates packages-meet-by-name
import type { Some } from '../../../sdk/src/sdk.ts'
export type Used = Some
