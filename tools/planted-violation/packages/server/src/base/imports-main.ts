// violates server-base-imports-to-its-right
import '../main.ts'
