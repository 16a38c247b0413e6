// violates server-storage-imports-to-its-right
import '../vault/vault.ts'
