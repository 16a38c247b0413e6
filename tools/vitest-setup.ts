import type { TestProject } from 'vitest/node'
import { startPostgres } from './test-postgres.ts'
import { buildTestPrograms } from './test-programs.ts'

declare module 'vitest' {
  interface ProvidedContext {
    postgresUrl: string
  }
}

/** The programs that tests start, and one PostgreSQL server for the whole run: each test server gets a database of its own. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  // Nothing here survives a power cut, so nothing has to wait for the disk.
  const [postgres, programs] = await Promise.all([startPostgres(['fsync=off']), buildTestPrograms()])
  project.provide('postgresUrl', postgres.url)
  // Not provided: scripts start the same programs without Vitest.
  process.env.TEST_PROGRAMS = programs.folder
  return async () => {
    programs.remove()
    await postgres.stop()
  }
}
