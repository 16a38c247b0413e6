// violates nothing-imports-server
// violates packages-meet-by-name
import '../../server/src/base/base.ts'
