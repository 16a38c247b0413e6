// violates contract-does-no-io
import 'node:fs'
