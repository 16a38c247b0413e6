// violates only-routes-import-http
import type { Unused } from '../http/types.ts'
export type Used = Unused
