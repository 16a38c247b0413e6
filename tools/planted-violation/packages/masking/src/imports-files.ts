// violates masking-stands-alone
import 'node:fs'
