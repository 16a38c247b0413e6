// violates config-is-a-leaf
import type { Base } from '../base/base.ts'
export type Used = Base
