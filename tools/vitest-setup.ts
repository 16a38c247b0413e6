import type { TestProject } from 'vitest/node'
import { startPostgres } from './test-postgres.ts'

declare module 'vitest' {
  interface ProvidedContext {
    postgresUrl: string
  }
}

/** One PostgreSQL server for the whole run; each test server gets a database of its own in it. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  // Nothing here survives a power cut, so nothing has to wait for the disk.
  const postgres = await startPostgres(['fsync=off'])
  project.provide('postgresUrl', postgres.url)
  return () => postgres.stop()
}
