// violates http-imports-only-base
import '../access/access.ts'
