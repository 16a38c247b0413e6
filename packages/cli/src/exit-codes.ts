/** What `keyhold` exits with. `keyhold run` exits as its child did once the child was started. */
export const ExitCode = {
  Ok: 0,
  Failed: 1,
  Usage: 2,
  NotSignedIn: 4,
  /** As shells have it, when `run` cannot start the command. */
  NotExecutable: 126,
  NotFound: 127,
} as const
