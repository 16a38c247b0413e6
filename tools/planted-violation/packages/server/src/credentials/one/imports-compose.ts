// violates server-credentials-imports-to-its-right
import '../../compose/imports-to-its-right.ts'
