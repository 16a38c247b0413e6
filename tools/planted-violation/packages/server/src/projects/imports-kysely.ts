// violates only-stores-touch-sql
import type { Kysely } from 'kysely'
export type Used = Kysely<unknown>
