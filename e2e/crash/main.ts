import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startPostgres } from '../../tools/test-postgres.ts'
import { crash } from './crash.ts'

/* Hundreds of rounds: node e2e/crash/main.ts [--rounds 500] [--postgres]. Every tenth round PostgreSQL crashes too. */

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '500' }, postgres: { type: 'boolean', default: false } },
})
const dataDir = mkdtempSync(join(tmpdir(), 'keyhold-crash-'))
const postgres = values.postgres ? await startPostgres() : undefined
try {
  const figures = await crash({
    env: { KEYHOLD_DATA_DIR: dataDir, ...(postgres && { KEYHOLD_DATABASE_URL: postgres.url }) },
    isEnough: ({ rounds }) => rounds >= Number(values.rounds),
    ...(postgres && {
      betweenRounds: async (round) => {
        if (round % 10 === 9) await postgres.restart('SIGQUIT')
      },
    }),
    onRound: (figures) => {
      if (figures.rounds % 10 === 0) process.stderr.write(`${JSON.stringify(figures)}\n`)
    },
  })
  process.stdout.write(`${JSON.stringify({ database: postgres ? 'postgres' : 'sqlite', ...figures })}\n`)
} finally {
  await postgres?.stop()
  rmSync(dataDir, { recursive: true, force: true })
}
