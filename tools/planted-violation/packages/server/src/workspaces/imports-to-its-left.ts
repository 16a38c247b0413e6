// violates server-workspaces-imports-to-its-right
import '../credentials/one/one.ts'
