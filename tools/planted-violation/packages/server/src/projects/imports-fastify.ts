// violates only-http-imports-fastify
import 'fastify'
