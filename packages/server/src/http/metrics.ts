import { createServer, type Server } from 'node:http'
import type { FastifyInstance } from 'fastify'

/** Seconds; requests are expected between one millisecond and one disk hiccup. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5]

/** Counts requests and times them by route; process figures come with the library. */
export async function collectMetrics(
  fastify: FastifyInstance,
  gauges: Readonly<Record<string, () => number>>,
) {
  // Loaded only where metrics are asked for: memory and start-up count.
  const { collectDefaultMetrics, Gauge, Histogram, Registry } = await import('prom-client')
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const duration = new Histogram({
    name: 'keyhold_http_request_duration_seconds',
    help: 'Duration of requests by route and status',
    labelNames: ['method', 'route', 'status'],
    buckets: BUCKETS,
    registers: [registry],
  })
  for (const [name, read] of Object.entries(gauges)) {
    new Gauge({
      name,
      help: name.replaceAll('_', ' '),
      registers: [registry],
      collect() {
        this.set(read())
      },
    })
  }
  fastify.addHook('onResponse', async (request, reply) => {
    // An answer without end says how long somebody stayed, not how long they waited.
    if (String(reply.getHeader('content-type')).startsWith('text/event-stream')) return
    // The route's pattern: ids in a label would make one series each.
    const route = request.routeOptions.url ?? '(none)'
    duration.observe({ method: request.method, route, status: reply.statusCode }, reply.elapsedTime / 1000)
  })
  return () => registry.metrics()
}

/** Serves nothing but /metrics on an address of its own. */
export function listenForMetrics(
  metrics: () => Promise<string>,
  address: { host: string; port: number },
): Promise<Server> {
  const server = createServer(async (request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(404).end()
      return
    }
    try {
      const body = await metrics()
      response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(body)
    } catch {
      response.writeHead(500).end()
    }
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(address.port, address.host, () => resolve(server))
  })
}
