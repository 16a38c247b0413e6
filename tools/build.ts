// Builds what is run and published: bundles of the command line and of the server, so that both start quickly and
// without a TypeScript compiler in memory; and the web application that the server serves.
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { type OutputOptions, type RolldownOptions, rolldown } from 'rolldown'

const root = join(import.meta.dirname, '..')
const startedAt = new Date()

/**
 * What `keyhold run` loads, in three files rather than one for each module that something else loads too: each file costs
 * it about half a millisecond. The third is loaded while the request is on its way. A module that is missing here is
 * a file of its own.
 */
const filesOfRun = {
  start: [
    'cli/package\\.json',
    'cli/src/(?:command|exit-codes|failure|find-command|parse-options|terminal|version|commands/commands)\\.ts',
  ],
  request: [
    'cli/src/(?:commands/run|connection|http|run/(?:command-path|delivery|use-sender))\\.ts',
    'sdk/src/(?:base64|delivered-secret|environment|error)\\.ts',
  ],
  run: [
    'cli/src/run/(?:environment|output|pipe-pump|pipes|private-directory|process-table|pseudo-terminal)\\.ts',
    'cli/src/run/(?:run|signals|spawned-child)\\.ts',
    'contract/src/names\\.ts',
    'masking/src/.*',
  ],
}
const chunksOfRun = {
  includeDependenciesRecursively: false,
  groups: Object.entries(filesOfRun).map(([name, files]) => ({
    name,
    test: new RegExp(`/packages/(?:${files.join('|')})$`),
  })),
}

// Tests name places of their own, so that they neither need nor disturb what is there.
const [commandLine, server] = process.argv.slice(2)
if (commandLine === undefined) {
  await buildServer(join(root, 'packages/server/dist'))
  await buildWeb(join(root, 'packages/web'))
} else if (server !== undefined) await buildServer(server)
await buildCommandLine(commandLine ?? join(root, 'packages/cli/dist'))

async function build(
  target: string,
  options: RolldownOptions,
  codeSplitting: OutputOptions['codeSplitting'] = true,
): Promise<void> {
  const bundle = await rolldown({ cwd: root, platform: 'node', treeshake: true, ...options })
  await bundle.write({
    dir: target,
    format: 'esm',
    codeSplitting,
    entryFileNames: '[name].js',
    chunkFileNames: 'chunks/[name]-[hash].js',
    // Names stay: they are what a stack in the log is read by.
    minify: { compress: true, mangle: false, codegen: { removeWhitespace: true } },
  })
  await bundle.close()
}

/** The server with all its libraries; the audit writer's thread is a file of its own. */
async function buildServer(target: string): Promise<void> {
  const home = join(root, 'packages/server/src')
  rmSync(target, { recursive: true, force: true })
  await build(target, {
    input: { main: join(home, 'main.ts'), 'audit-writer-thread': join(home, 'audit/audit-writer-thread.ts') },
    // Optional parts of libraries that are not installed; ssh2, which looks for files beside its own; openpgp, which its licence
    // (LGPL) wants replaceable: it stays a package of its own beside the bundle; and the libraries of outside stores, which are
    // large and loaded by few. The main file of jsonc-parser requires others in a way that no bundler sees.
    external: [
      'pg-native',
      'pino-pretty',
      'jsonc-parser',
      'openpgp',
      'ssh2',
      'bufferutil',
      'utf-8-validate',
      /^@aws-sdk\//,
      /^@azure\//,
    ],
  })
}

/** The command line: a chunk for each command, so that one does not load the others. */
async function buildCommandLine(target: string): Promise<void> {
  rmSync(target, { recursive: true, force: true })
  const options: RolldownOptions = {
    // Nobody imports these files.
    preserveEntrySignatures: false,
    // The session is started by sshd, with each session of a workspace.
    input: {
      keyhold: join(root, 'packages/cli/src/main.ts'),
      session: join(root, 'packages/cli/src/session/session.ts'),
    },
    // node-pty has a compiled part; the server is another program.
    external: ['bufferutil', 'utf-8-validate', /^@lydell\//, /^@keyhold\/server/],
  }
  await build(target, options, chunksOfRun)
  // Started by git for each use: in one file, since each file more costs it some milliseconds.
  await build(target, { input: { 'git-program': join(root, 'packages/cli/src/git/git-program.ts') } }, false)
  // What other programs load is no part of the bundle.
  cpSync(join(root, 'packages/cli/src/hooks'), join(target, 'hooks'), {
    recursive: true,
    filter: (path) => !path.endsWith('__pycache__'),
  })
  // bin/keyhold runs the bundles only while no source is newer than this: dated at the start, so that a change during
  // the build counts.
  mkdirSync(target, { recursive: true })
  writeFileSync(join(target, 'stamp'), '')
  utimesSync(join(target, 'stamp'), startedAt, startedAt)
}

/** The web application, compressed once here rather than at each request; see the server's http/web.ts. */
async function buildWeb(home: string): Promise<void> {
  const { build: buildByVite } = await import('vite')
  await buildByVite({ configFile: join(home, 'vite.config.ts') })
  const assets = join(home, 'dist/assets')
  for (const name of readdirSync(assets)) {
    const bytes = readFileSync(join(assets, name))
    writeFileSync(join(assets, `${name}.br`), brotliCompressSync(bytes))
    writeFileSync(join(assets, `${name}.gz`), gzipSync(bytes, { level: 9 }))
  }
}
