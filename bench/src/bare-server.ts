import { createServer } from 'node:http'
import Fastify from 'fastify'

/*
 * What is possible at all: a server that answers fixed bytes. `node bare-server.ts http|fastify`; the body comes on
 * stdin, the port goes to stdout.
 */

let body = ''
for await (const chunk of process.stdin.setEncoding('utf8')) body += chunk

const headers = {
  'content-type': 'application/json; charset=utf-8',
  'content-length': Buffer.byteLength(body),
}
if (process.argv[2] === 'http') {
  const server = createServer((_request, response) => response.writeHead(200, headers).end(body))
  server.listen(0, '127.0.0.1', () => console.log((server.address() as { port: number }).port)) // `as`: TCP.
} else {
  const fastify = Fastify()
  fastify.get('/*', async (_request, reply) => reply.headers(headers).send(body))
  await fastify.listen({ port: 0, host: '127.0.0.1' })
  console.log((fastify.server.address() as { port: number }).port) // `as`: TCP.
}
