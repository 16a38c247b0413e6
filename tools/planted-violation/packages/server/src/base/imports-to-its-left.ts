// violates server-base-imports-to-its-right
import '../storage/storage.ts'
