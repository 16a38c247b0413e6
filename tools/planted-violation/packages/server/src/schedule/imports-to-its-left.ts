// violates server-schedule-imports-to-its-right
import '../compose.ts'
