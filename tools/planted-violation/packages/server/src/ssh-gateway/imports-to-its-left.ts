// violates server-ssh-gateway-imports-to-its-right
import '../compose/imports-to-its-right.ts'
