import type { Reporter, TestModule } from 'vitest/node'

/** Ends a test run with one line that people and programs can read: `412 passed, 0 failed`. */
// biome-ignore lint/style/noDefaultExport: Vitest takes a reporter from the default export.
export default class TestSummary implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    let [passed, failed, skipped] = [0, errors.length, 0]
    for (const module of modules) {
      // A file that could not be loaded has no tests, and is a failure all the same.
      failed += module.errors().length
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === 'passed') passed += 1
        else if (state === 'failed') failed += 1
        else skipped += 1
      }
    }
    // After the last line of Vitest's own summary.
    process.once('exit', () => {
      process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`)
    })
  }
}
