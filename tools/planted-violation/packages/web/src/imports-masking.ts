// violates web-imports-contract-and-sdk-only
// violates packages-meet-by-name
import '../../masking/src/masking.ts'
