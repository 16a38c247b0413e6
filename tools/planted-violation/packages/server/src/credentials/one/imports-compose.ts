// violates server-credentials-imports-to-its-right
import '../../compose.ts'
