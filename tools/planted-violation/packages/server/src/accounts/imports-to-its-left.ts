// violates server-accounts-imports-to-its-right
import '../projects/projects.ts'
