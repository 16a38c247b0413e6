// `npm run check`: everything that must hold besides the tests. All steps run, two at a time; what failed is shown last.
import { spawn } from 'node:child_process'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const bin = join(root, 'node_modules/.bin')
const STEPS_AT_ONCE = 2

const steps: readonly (readonly [name: string, command: readonly string[]])[] = [
  // Kept between runs, so that only what changed is looked at again.
  ['types', ['tsc', '--incremental', '--tsBuildInfoFile', 'node_modules/.cache/keyhold.tsbuildinfo']],
  [
    'types of the web application',
    [
      'tsc',
      '-p',
      'packages/web',
      '--incremental',
      '--tsBuildInfoFile',
      'node_modules/.cache/keyhold-web.tsbuildinfo',
    ],
  ],
  ['format and lint', ['biome', 'ci', '--colors=off', '.']],
  ['imports', ['node', 'tools/check-imports.ts']],
  ['generated files', ['node', 'tools/generate.ts', '--check']],
  ['reveal sites', ['node', 'tools/reveal-sites.ts', '--check']],
  ['hosts', ['node', 'tools/check-hosts.ts']],
  ['build, and size of the web application', ['node', 'tools/check-web-size.ts']],
]

interface Outcome {
  readonly code: number
  readonly output: string
  readonly seconds: number
}

function run([program, ...args]: readonly string[]): Promise<Outcome> {
  const startedAt = performance.now()
  // The Node that runs this file, whatever PATH says.
  const command = program === 'node' ? process.execPath : join(bin, program!)
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` }
  const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  return new Promise((resolve) => {
    const end = (code: number) => resolve({ code, output, seconds: (performance.now() - startedAt) / 1000 })
    child.on('error', (error) => {
      output += `${error.message}\n`
      end(1)
    })
    child.on('close', (code) => end(code ?? 1))
  })
}

const failed: string[] = []
const waiting = [...steps]

async function work(): Promise<void> {
  for (let step = waiting.shift(); step; step = waiting.shift()) {
    const [name, command] = step
    const { code, output, seconds } = await run(command)
    const heading = `── ${name} (${seconds.toFixed(1)} s): ${code === 0 ? 'ok' : 'FAILED'}`
    console.log(code === 0 ? heading : `${heading}\n${output.trimEnd()}\n`)
    if (code !== 0) failed.push(name)
  }
}

await Promise.all(Array.from({ length: STEPS_AT_ONCE }, work))
console.log(failed.length === 0 ? `\nAll ${steps.length} checks hold` : `\nFailed: ${failed.join(', ')}`)
process.exit(failed.length === 0 ? 0 : 1)
