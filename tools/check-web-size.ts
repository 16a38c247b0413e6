// Builds everything, and fails when a browser's first visit loads more than it should.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const dist = join(root, 'packages/web/dist')

/** Compressed by brotli, as browsers ask for it. */
const FIRST_LOAD_BYTES_MAX = 250_000

const { status } = spawnSync(process.execPath, [join(root, 'tools/build.ts')], { stdio: 'inherit' })
if (status !== 0) process.exit(status ?? 1)

const page = readFileSync(join(dist, 'index.html'), 'utf8')
const named = [...page.matchAll(/(?:src|href)="\/assets\/([^"]+)"/g)].map(([, name]) => name!) // `!`: the group is not optional.
// The heaviest page besides, whichever it is: a first visit is one to some page.
const pages = readdirSync(join(dist, 'assets')).filter(
  (name) => name.endsWith('.js.br') && !named.includes(name.slice(0, -3)),
)
const bytesOf = (name: string) => statSync(join(dist, 'assets', name)).size
const shell = named.reduce((sum, name) => sum + bytesOf(`${name}.br`), 0)
const heaviest = Math.max(...pages.map(bytesOf))
const total = shell + heaviest
console.log(
  `first load of the web application: ${shell} bytes, and at most ${heaviest} of one page's own file`,
)
if (total > FIRST_LOAD_BYTES_MAX) {
  console.error(
    `${total} bytes, more than ${FIRST_LOAD_BYTES_MAX}: load what is not needed at once by import()`,
  )
  process.exit(1)
}
