// violates web-has-no-schemas
// violates packages-meet-by-name
import { schema } from '../../contract/src/api/some.ts'

export const some = schema
