// violates server-vault-imports-to-its-right
import '../audit/audit.ts'
