// violates server-compose-imports-to-its-right
import '../main.ts'
