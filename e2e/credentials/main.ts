import { parseArgs } from 'node:util'
import { startPostgres } from '../../tools/test-postgres.ts'
import { liveCredentials } from './life.ts'

/* The life of each kind of credential, and the inventory: node e2e/credentials/main.ts [--postgres] */

const { values } = parseArgs({ options: { postgres: { type: 'boolean', default: false } } })
const postgres = values.postgres ? await startPostgres() : undefined
try {
  const credentials = await liveCredentials((line) => process.stdout.write(`${line}\n`), postgres?.url)
  const rows = credentials.map((one) => [
    one.kind,
    one.name,
    one.usedIn,
    one.accessLevel ?? '',
    one.expiresAt?.slice(0, 10) ?? 'No expiry',
    one.lastUsedAt?.slice(0, 10) ?? 'Never',
  ])
  const table = [['KIND', 'NAME', 'USED IN', 'ACCESS', 'EXPIRES', 'LAST USED'], ...rows]
  const widths = table[0]!.map((_, i) => Math.max(...table.map((row) => row[i]!.length)))
  const lines = table.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd(),
  )
  process.stdout.write(`\n${lines.join('\n')}\n`)
} finally {
  await postgres?.stop()
}
