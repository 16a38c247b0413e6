// violates server-admin-imports-to-its-right
import '../main.ts'
