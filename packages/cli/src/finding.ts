/** What `keyhold doctor` has looked at, and what is wrong with it. */
export interface Finding {
  readonly check: string
  readonly status: 'ok' | 'warn' | 'fail'
  readonly message: string
  /** The next step. */
  readonly hint?: string | undefined
}
