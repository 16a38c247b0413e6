// violates server-upkeep-imports-to-its-right
import '../schedule/schedule.ts'
