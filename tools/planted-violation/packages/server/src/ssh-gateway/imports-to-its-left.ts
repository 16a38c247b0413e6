// violates server-ssh-gateway-imports-to-its-right
import '../compose.ts'
