import { expect, test } from 'vitest'
import { databases, newPostgresDatabase } from '../../packages/server/test/kit.ts'
import { liveCredentials } from './life.ts'

test.each(databases)(
  'SDS-4, SDS-7: every kind of credential lives its whole life, with ssh-keygen, gpg, git and an OAuth server, on %s',
  { timeout: 120_000 },
  async (database) => {
    const postgres = database === 'postgres' ? await newPostgresDatabase() : undefined
    const steps: string[] = []
    try {
      const credentials = await liveCredentials((line) => steps.push(line), postgres?.url)
      expect(credentials).toHaveLength(8)
      expect(steps.at(-1)).toContain('all removed')
    } finally {
      await postgres?.drop()
    }
  },
)
