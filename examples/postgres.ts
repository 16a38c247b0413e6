// `npm run example:postgres`: a PostgreSQL server to try the examples with, on loopback, with a database and a user of
// its own. It is gone, data and all, when this program ends.
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startPostgres } from '../tools/test-postgres.ts'

const folder = mkdtempSync(join(tmpdir(), 'keyhold-example-'))
chmodSync(folder, 0o755)
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))

/** Who may come in how. The server may run as another user, who has to be able to read this. */
const rules = join(folder, 'pg_hba.conf')
const writeRules = (method: string) => writeFileSync(rules, `host all all 127.0.0.1/32 ${method}\n`)

writeRules('trust')
const postgres = await startPostgres([`hba_file=${rules}`])
const stop = async () => {
  await postgres.stop()
  process.exit(0)
}
process.once('SIGINT', stop)
process.once('SIGTERM', stop)
process.once('SIGHUP', stop)

const password = randomBytes(12).toString('hex')
const database = new pg.Client({ connectionString: postgres.url })
await database.connect()
await database.query(`create role shop login password '${password}'`)
await database.query('create database shop owner shop')
// From here on with the password only.
writeRules('scram-sha-256')
await database.query('select pg_reload_conf()')
await database.end()

const url = new URL(postgres.url)
url.username = 'shop'
url.password = password
url.pathname = '/shop'
console.log(`
PostgreSQL is running, until you press Ctrl-C. This is its DATABASE_URL:

  ${url}
`)
