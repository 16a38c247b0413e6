import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { rolldown } from 'rolldown'

/*
 * The programs that tests start, built once per run from the sources as they are: the bundles start four times as fast as
 * the sources, and the suite starts them some thousand times. Beside them what is loaded into them in tests.
 *
 *   cli/bin/keyhold    the command line as it is published, without sources
 *   server/main.js     the server
 *   quick-argon2.js    see there
 */

const root = join(import.meta.dirname, '..')

/** @returns the folder, which tests find in the variable TEST_PROGRAMS, and how to remove it. */
export async function buildTestPrograms(): Promise<{ folder: string; remove: () => void }> {
  // Below node_modules, where the bundles find the packages that they leave outside.
  const folder = join(root, `node_modules/.cache/keyhold-test-${process.pid}`)
  const remove = () => rmSync(folder, { recursive: true, force: true })
  process.once('exit', remove)
  mkdirSync(folder, { recursive: true })
  const build = [join(root, 'tools/build.ts'), join(folder, 'cli/dist'), join(folder, 'server')]
  await promisify(execFile)(process.execPath, build)
  cpSync(join(root, 'packages/cli/bin'), join(folder, 'cli/bin'), { recursive: true })
  const preload = await rolldown({ input: join(root, 'tools/quick-argon2.ts'), platform: 'node' })
  await preload.write({ file: join(folder, 'quick-argon2.js'), format: 'esm' })
  await preload.close()
  // Bundles and preload are modules wherever they lie.
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n')
  return { folder, remove }
}
