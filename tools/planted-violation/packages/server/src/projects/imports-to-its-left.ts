// violates server-projects-imports-to-its-right
import '../credentials/one/one.ts'
