// violates config-is-passed-in
import '../config/config.ts'
