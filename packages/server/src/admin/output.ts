/** A mistake in the command line. */
export class UsageError extends Error {}

/** For people: standard error, beside the data or the log on standard output. */
export function say(text: string): void {
  process.stderr.write(text)
}

/** Prints data. */
export function print(text: string): void {
  process.stdout.write(text)
}
