import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ServerProcess } from '../../packages/server/test/server-process.ts'
import { freePort } from '../../tools/free-port.ts'

/* Several servers with one database, behind a real balancer (HAProxy), which asks each for its health. */

/** How often the balancer asks /readyz. One answer other than 200 takes a server out, one 200 brings it back. */
const HEALTH_MS = 200
/** Several times of that, in whole seconds. */
const DRAIN_SECONDS = 1
const WAIT_MS = 20_000

export class Replicas {
  /** Where the balancer listens. */
  readonly url: string
  readonly #env: Readonly<Record<string, string>>
  readonly #ports: readonly number[]
  readonly #servers: ServerProcess[] = []
  readonly #folder: string
  #balancer: ChildProcess | undefined

  private constructor(env: Readonly<Record<string, string>>, ports: readonly number[], port: number) {
    this.#env = env
    this.#ports = ports
    this.url = `http://127.0.0.1:${port}`
    this.#folder = mkdtempSync(join(tmpdir(), 'keyhold-replicas-'))
  }

  /** @param env configuration that all share. */
  static async start(count: number, env: Readonly<Record<string, string>>): Promise<Replicas> {
    const ports = []
    for (let i = 0; i <= count; i++) ports.push(await freePort())
    const replicas = new Replicas(env, ports.slice(1), ports[0]!) // `!`: one more than servers.
    try {
      for (let i = 0; i < count; i++) replicas.#servers.push(await replicas.#startServer(i))
      await replicas.#startBalancer(ports[0]!) // `!`: likewise.
    } catch (error) {
      await replicas.stop()
      throw error
    }
    return replicas
  }

  /** Address of one server, past the balancer. */
  urlOf(i: number): string {
    return `http://127.0.0.1:${this.#ports[i]}`
  }

  #startServer(i: number): Promise<ServerProcess> {
    return ServerProcess.start({
      ...this.#env,
      KEYHOLD_HTTP_ADDR: `127.0.0.1:${this.#ports[i]}`,
      KEYHOLD_PUBLIC_URL: 'https://keys.example.com',
      KEYHOLD_TRUSTED_PROXIES: '127.0.0.1',
      KEYHOLD_DRAIN_SECONDS: String(DRAIN_SECONDS),
    })
  }

  async #startBalancer(port: number): Promise<void> {
    const servers = this.#ports.map((one, i) => `  server s${i} 127.0.0.1:${one} check`)
    const config = join(this.#folder, 'haproxy.cfg')
    writeFileSync(
      config,
      `
global
  maxconn 1000
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout check 2s
  # Safe for any request: the server has seen none of it.
  retry-on conn-failure
  retries 3
  option redispatch 1
listen keyhold
  bind 127.0.0.1:${port}
  balance roundrobin
  option forwardfor
  http-request set-header X-Forwarded-Proto https
  option httpchk GET /readyz
  default-server inter ${HEALTH_MS} fall 1 rise 1 init-addr none
${servers.join('\n')}
`,
    )
    let output = ''
    this.#balancer = spawn('haproxy', ['-db', '-f', config], { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.#balancer.stdout!, this.#balancer.stderr!])
      stream.setEncoding('utf8').on('data', (text: string) => {
        output = (output + text).slice(-10_000)
      })
    await this.#until(this.url, 200).catch((error: unknown) => {
      throw new Error(`HAProxy does not come up:\n${output}`, { cause: error })
    })
  }

  /** Waits until /healthz there answers with a status. */
  async #until(url: string, status: number): Promise<void> {
    for (const endsAt = Date.now() + WAIT_MS; ; ) {
      const answer = await fetch(`${url}/readyz`).catch(() => undefined)
      await answer?.body?.cancel()
      if (answer?.status === status) return
      if (Date.now() > endsAt) throw new Error(`${url}/readyz does not answer ${status}`)
      await sleep(50)
    }
  }

  /** Ends one server and starts it again. Resolves when the balancer can have seen it. */
  async restart(i: number, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const ended = await this.#servers[i]!.end(signal) // `!`: callers count from 0.
    if (signal === 'SIGTERM' && ended.code !== 0)
      throw new Error(`server ${i} ended with ${ended.signal ?? ended.code}: ${ended.stderr}`)
    this.#servers[i] = await this.#startServer(i)
    await this.#until(this.urlOf(i), 200)
    await sleep(HEALTH_MS * 2)
  }

  get count(): number {
    return this.#ports.length
  }

  async stop(): Promise<void> {
    if (this.#balancer && this.#balancer.exitCode === null) {
      const ended = once(this.#balancer, 'exit')
      this.#balancer.kill('SIGKILL')
      await ended
    }
    await Promise.all(this.#servers.map((server) => server.end('SIGKILL')))
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
