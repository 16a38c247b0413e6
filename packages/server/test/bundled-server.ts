import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import type { Ended } from './server-process.ts'

const source = (path: string) => fileURLToPath(new URL(`../src/${path}`, import.meta.url))
const KILLER = fileURLToPath(new URL('./kill-at-write.ts', import.meta.url))

/** The server's program as one file of its own, for tests that start it many times. */
export class BundledServer {
  readonly #directory: string

  private constructor(directory: string) {
    this.#directory = directory
  }

  static async build(): Promise<BundledServer> {
    const directory = mkdtempSync(join(tmpdir(), 'keyhold-bundle-'))
    const bundle = await rolldown({
      platform: 'node',
      input: { main: source('main.ts'), 'audit-writer-thread': source('audit/audit-writer-thread.ts') },
      external: ['pg-native', 'pino-pretty', 'openpgp', 'ssh2', 'bufferutil', 'utf-8-validate'],
      checks: { pluginTimings: false },
    })
    await bundle.write({ dir: directory, format: 'esm', entryFileNames: '[name].js' })
    await bundle.close()
    return new BundledServer(directory)
  }

  get main(): string {
    return join(this.#directory, 'main.js')
  }

  /** Runs a command to its end. @param killed where it is killed: see kill-at-write.ts. */
  async run(
    args: readonly string[],
    env: Readonly<Record<string, string>>,
    { stdin = '', killed }: { stdin?: string; killed?: { at: number; from: string } } = {},
  ): Promise<Ended> {
    const child = spawn(process.execPath, [...(killed ? ['--import', KILLER] : []), this.main, ...args], {
      env: {
        PATH: process.env.PATH,
        ...env,
        ...(killed && { KILL_AT: String(killed.at), KILL_FROM: killed.from }),
      },
      stdio: 'pipe',
    })
    // A process that ended before it read all of it says so with its exit code.
    child.stdin.on('error', () => {}).end(stdin)
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    const [code, signal] = await once(child, 'close')
    return { code, signal, stdout, stderr }
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
