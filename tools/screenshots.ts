// `node tools/screenshots.ts [folder]`: pictures of every page and dialog of the web application that the tests look at, light
// and dark.
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'

const root = join(import.meta.dirname, '..')
const folder = resolve(process.argv[2] ?? 'screenshots')
mkdirSync(folder, { recursive: true })
const run = (args: readonly string[]) =>
  spawnSync(process.execPath, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, KEYHOLD_SCREENSHOTS: folder },
  }).status ?? 1
process.exit(
  run(['tools/build.ts']) || run(['node_modules/vitest/vitest.mjs', 'run', 'e2e/web', '-t', 'sqlite']),
)
