import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['packages/*/{src,test}/**/*.test.ts', 'tools/**/*.test.ts', 'e2e/**/*.test.ts'],
    globalSetup: ['./tools/vitest-setup.ts'],
    // Two cores: more workers than that only make time-outs.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // What is waited for is waited for as long as a busy machine takes.
    expect: { poll: { timeout: 20_000 } },
  },
})
