// violates server-activity-imports-to-its-right
import '../credentials/one/one.ts'
