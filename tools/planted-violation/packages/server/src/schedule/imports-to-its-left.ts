// violates server-schedule-imports-to-its-right
import '../compose/imports-to-its-right.ts'
