import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { LoadPlan, LoadResult } from './load.ts'

export const execFileAsync = promisify(execFile)

export const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
export const keyhold = here('../../packages/cli/bin/keyhold')

export async function load(
  plan: Partial<LoadPlan> & Pick<LoadPlan, 'port' | 'path' | 'connections'>,
): Promise<LoadResult> {
  const whole: LoadPlan = { warmUpMs: 500, measureMs: 2_000, ...plan }
  const { stdout } = await execFileAsync(process.execPath, [here('load.ts'), JSON.stringify(whole)])
  return JSON.parse(stdout) as LoadResult // `as`: printed by load.ts.
}

export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
}

export async function startBare(
  kind: 'http' | 'fastify',
  body: string,
): Promise<{ port: number; child: ChildProcess }> {
  const child = spawn(process.execPath, [here('bare-server.ts'), kind], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  child.stdin.end(body)
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string] // `as`: readline emits text.
  return { port: Number(line), child }
}

export interface RunningServer {
  readonly port: number
  readonly child: ChildProcess
  readonly readyMs: number
  readonly env: Record<string, string>
}

/** Starts the real server as its users do, on a free port. */
export async function startKeyhold(env: Record<string, string>): Promise<RunningServer> {
  const whole = { ...process.env, KEYHOLD_HTTP_ADDR: '127.0.0.1:0', ...env } as Record<string, string>
  const startedAt = performance.now()
  const child = spawn(keyhold, ['server'], {
    env: whole,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  for await (const line of createInterface(child.stdout)) {
    const entry = JSON.parse(line) as { msg: string; address?: string }
    if (entry.msg !== 'ready') continue
    child.stdout.resume()
    return {
      port: Number(new URL(entry.address!).port),
      child,
      readyMs: performance.now() - startedAt,
      env: whole,
    }
  }
  throw new Error('the server did not start')
}

/** Runs `keyhold admin …` on the server's machine. */
export async function admin(server: RunningServer, args: readonly string[], stdin = ''): Promise<string> {
  const running = execFileAsync(keyhold, ['admin', ...args], { env: server.env })
  running.child.stdin!.end(stdin)
  return (await running).stdout.trim()
}

/** Resident memory in MB. */
export function residentMb(child: ChildProcess): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) / 1024
}

/** A project and who may read it. */
export interface Project {
  readonly id: string
  readonly secret: string
  /** Value of the Authorization header of the access key. */
  readonly authorization: string
  /** Access token of an administrator. */
  readonly token: string
}

/** Makes a person, a project with secrets, and an access key that reads them. */
export async function makeProject(server: RunningServer, secretCount: number): Promise<Project> {
  const person = ['--email', 'bench@example.com', '--name', 'Bench']
  await admin(
    server,
    ['create-user', ...person, '--admin', '--password-stdin'],
    'a password of some length\n',
  )
  const token = await admin(server, ['create-token', ...person])
  const call = async (path: string, body: object) => {
    const response = await fetch(`http://127.0.0.1:${server.port}/api/v1/projects${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (!response.ok) throw new Error(`preparing failed: ${await response.text()}`)
    return response.json() as Promise<unknown> // `as`: our own API; callers know the shape.
  }
  const project = (await call('', { name: 'Bench' })) as { id: string }
  for (let i = 0; i < secretCount; i++) {
    const value = `value-${i}-`.padEnd(40, 'x')
    await call(`/${project.id}/secrets`, { name: `SECRET_${i}`, type: 'token', value })
  }
  const key = (await call(`/${project.id}/access-keys`, { permission: 'read' })) as {
    accessKey: { id: string }
    secret: string
  }
  const { id } = key.accessKey
  const { secret } = key
  const authorization = `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`
  return { id, secret, authorization, token }
}
