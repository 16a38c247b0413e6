// Builds what is published or shipped: the bundle of the command line, so that it starts quickly.
import { mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { rolldown } from 'rolldown'

const root = join(import.meta.dirname, '..')

// Tests name a place of their own, so that they neither need nor disturb what is there.
await buildCommandLine(process.argv[2] ?? join(root, 'packages/cli/dist'))

/** Bundles the command line: ES modules, with a chunk for each command, so that one does not load the others. */
async function buildCommandLine(target: string): Promise<void> {
  const home = join(root, 'packages/cli')
  const startedAt = new Date()
  rmSync(target, { recursive: true, force: true })
  const bundle = await rolldown({
    input: { keyhold: join(home, 'src/main.ts') },
    cwd: root,
    platform: 'node',
    // node-pty has a compiled part; the server is another program.
    external: [/^@lydell\//, /^@keyhold\/server/],
    treeshake: true,
  })
  await bundle.write({
    dir: target,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: 'chunks/[name]-[hash].js',
    minify: { compress: true, mangle: false, codegen: { removeWhitespace: true } },
  })
  await bundle.close()
  // bin/keyhold runs the bundle only while no source is newer than this: dated at the start, so that a change during the
  // build counts.
  mkdirSync(target, { recursive: true })
  writeFileSync(join(target, 'stamp'), '')
  utimesSync(join(target, 'stamp'), startedAt, startedAt)
}
