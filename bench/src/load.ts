import { connect } from 'node:net'
import { performance } from 'node:perf_hooks'

/*
 * A load generator of one process: each connection sends its next request when the answer to the last one is whole.
 * Written on bare sockets, since a full HTTP client costs more than the servers it should measure.
 *
 * Run as `node load.ts '<JSON of LoadPlan>'`; prints a LoadResult.
 */

export interface LoadPlan {
  readonly port: number
  readonly path: string
  /** Value of the Authorization header. */
  readonly authorization?: string
  readonly connections: number
  readonly warmUpMs: number
  readonly measureMs: number
}

export interface LoadResult {
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly failures: number
}

const HEADER_END = Buffer.from('\r\n\r\n')

function run(plan: LoadPlan): Promise<LoadResult> {
  const request = Buffer.from(
    `GET ${plan.path} HTTP/1.1\r\nHost: localhost:${plan.port}\r\nUser-Agent: bench\r\n${
      plan.authorization ? `Authorization: ${plan.authorization}\r\n` : ''
    }\r\n`,
  )
  const latenciesMs: number[] = []
  let failures = 0
  const measureFrom = performance.now() + plan.warmUpMs
  const endAt = measureFrom + plan.measureMs
  let open = plan.connections

  return new Promise((resolve) => {
    const finished = () => {
      open -= 1
      if (open > 0) return
      latenciesMs.sort((a, b) => a - b)
      const at = (share: number) => latenciesMs[Math.floor((latenciesMs.length - 1) * share)] ?? Number.NaN
      resolve({
        requestsPerSecond: latenciesMs.length / (plan.measureMs / 1000),
        p50Ms: at(0.5),
        p99Ms: at(0.99),
        failures,
      })
    }
    for (let i = 0; i < plan.connections; i++) {
      const socket = connect({ port: plan.port, host: '127.0.0.1', noDelay: true })
      let received: Buffer = Buffer.alloc(0)
      let sentAt = 0
      const send = () => {
        sentAt = performance.now()
        socket.write(request)
      }
      socket.on('connect', send)
      socket.on('data', (chunk: Buffer) => {
        received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
        const headerEnd = received.indexOf(HEADER_END)
        if (headerEnd < 0) return
        const head = received.toString('latin1', 0, headerEnd)
        const length = Number(/content-length: (\d+)/i.exec(head)?.[1])
        if (received.length < headerEnd + 4 + length) return
        received = Buffer.alloc(0)
        const now = performance.now()
        if (!head.startsWith('HTTP/1.1 200')) failures += 1
        else if (sentAt >= measureFrom && now <= endAt) latenciesMs.push(now - sentAt)
        if (now < endAt) send()
        else socket.end()
      })
      socket.on('error', () => {
        failures += 1
      })
      socket.on('close', finished)
    }
  })
}

console.log(JSON.stringify(await run(JSON.parse(process.argv[2]!) as LoadPlan)))
