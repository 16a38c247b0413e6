// violates server-audit-imports-to-its-right
import '../access/access.ts'
