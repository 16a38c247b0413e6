// violates contract-imports-no-package
// violates packages-meet-by-name
import '../../sdk/src/sdk.ts'
