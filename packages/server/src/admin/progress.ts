import { say } from './output.ts'

const FIRST_MS = 1_000
const TERMINAL_STEP_MS = 500
const LOG_STEP_MS = 10_000

/** Says how far something is that takes more than a second. Called with the number of rows so far; `end` when it is done. */
export function showProgress(what: string): ((rows: number) => void) & { end: () => void } {
  const isTerminal = process.stderr.isTTY === true
  let nextAt = performance.now() + FIRST_MS
  let isShown = false
  const show = (rows: number) => {
    if (performance.now() < nextAt) return
    nextAt = performance.now() + (isTerminal ? TERMINAL_STEP_MS : LOG_STEP_MS)
    isShown = true
    say(`${isTerminal ? '\r' : ''}${rows.toLocaleString('en')} rows ${what}${isTerminal ? '' : '\n'}`)
  }
  return Object.assign(show, {
    end: () => {
      if (isShown && isTerminal) say('\n')
    },
  })
}
