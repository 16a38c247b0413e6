// violates masking-stands-alone
// violates packages-meet-by-name
import '../../contract/src/contract.ts'
