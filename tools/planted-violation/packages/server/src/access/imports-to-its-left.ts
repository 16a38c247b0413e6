// violates server-access-imports-to-its-right
import '../accounts/accounts.ts'
