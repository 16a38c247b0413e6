// violates imports-resolve
// @ts-expect-error: on purpose
import './there-is-no-such-file.ts'
