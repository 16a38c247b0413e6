/*
 * `npm run executable [-- --arch x64|arm64]`: one file that is `keyhold`, for Linux machines without Node: Node itself, the
 * bundle of the command line, and the compiled part of the terminal. The server is not in it. For another processor than
 * this one, Node and the terminal's part come from the npm registry.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { rolldown } from 'rolldown'

const root = join(import.meta.dirname, '..')
const { values } = parseArgs({
  options: { arch: { type: 'string', default: process.arch }, output: { type: 'string' } },
})
const { arch } = values
if (process.platform !== 'linux' || (arch !== 'x64' && arch !== 'arm64')) {
  console.error('executables are made on Linux, for --arch x64 or arm64')
  process.exit(2)
}
const output = values.output ?? join(root, `dist/keyhold-linux-${arch}`)
const scratch = mkdtempSync(join(tmpdir(), 'keyhold-executable-'))
try {
  const dist = join(scratch, 'dist')
  execFileSync(process.execPath, [join(root, 'tools/build.ts'), dist], { stdio: 'inherit' })
  const main = await bundleMain()
  const files: Record<string, string> = {
    ...filesBelow(dist, 'dist', /(?:\/stamp|\.map)$/),
    ...filesBelow(
      join(root, 'node_modules/@lydell/node-pty'),
      'node_modules/@lydell/node-pty',
      /\.(?:d\.ts|md|map)$/,
    ),
    ...filesBelow(terminalPackage(), `node_modules/@lydell/node-pty-linux-${arch}`, /\.(?:d\.ts|md|map)$/),
    'start.cjs': join(root, 'packages/cli/src/standalone/start.cjs'),
    // Modules are modules wherever the files are unpacked.
    'package.json': join(root, 'packages/cli/package.json'),
  }
  const id = join(scratch, 'id')
  writeFileSync(id, `${version()}-${hashOf(files)}`)
  const plan = {
    main,
    mainFormat: 'module',
    executable: nodeProgram(),
    output,
    disableExperimentalSEAWarning: true,
    // As bin/keyhold starts Node, NODE_OPTIONS counts.
    execArgvExtension: 'env',
    assets: { ...files, id },
  }
  writeFileSync(join(scratch, 'plan.json'), JSON.stringify(plan))
  mkdirSync(join(output, '..'), { recursive: true })
  execFileSync(process.execPath, [`--build-sea=${join(scratch, 'plan.json')}`], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  console.log(output)
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

async function bundleMain(): Promise<string> {
  const bundle = await rolldown({
    input: join(root, 'packages/cli/src/standalone/main.ts'),
    platform: 'node',
  })
  const file = join(scratch, 'main.mjs')
  await bundle.write({ file, format: 'esm' })
  await bundle.close()
  return file
}

function filesBelow(directory: string, as: string, without: RegExp): Record<string, string> {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true })
  const paths = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
  return Object.fromEntries(
    paths.filter((path) => !without.test(path)).map((path) => [join(as, relative(directory, path)), path]),
  )
}

/** Another build of the same release unpacks elsewhere. */
function hashOf(files: Readonly<Record<string, string>>): string {
  const hash = createHash('sha256')
  for (const [name, path] of Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1)))
    hash.update(`${name}\0${createHash('sha256').update(readFileSync(path)).digest('hex')}\n`)
  return hash.digest('hex').slice(0, 16)
}

function version(): string {
  return (JSON.parse(readFileSync(join(root, 'packages/cli/package.json'), 'utf8')) as { version: string })
    .version
}

/** The Node of this release for the processor that is wanted. */
function nodeProgram(): string {
  if (arch === process.arch) return process.execPath
  return join(fetched(`node-linux-${arch}@${process.version.slice(1)}`), 'bin/node')
}

function terminalPackage(): string {
  const name = `@lydell/node-pty-linux-${arch}`
  if (arch === process.arch) return join(root, 'node_modules', name)
  const manifest = JSON.parse(
    readFileSync(join(root, 'node_modules/@lydell/node-pty/package.json'), 'utf8'),
  ) as { version: string }
  return fetched(`${name}@${manifest.version}`)
}

/** A package from the registry, unpacked; npm compares its hash with the registry's. */
function fetched(specifier: string): string {
  const place = mkdtempSync(join(scratch, 'package-'))
  const name = execFileSync('npm', ['pack', '--silent', specifier], { cwd: place, encoding: 'utf8' }).trim()
  execFileSync('tar', ['-xzf', name], { cwd: place })
  return join(place, 'package')
}
