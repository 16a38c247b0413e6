// What git starts in a workspace, for each use: `credential get`, or `gpg` with its arguments. It does what `keyhold
// git-credential` and `keyhold git-gpg` do, and loads next to nothing: git waits for it.
import { writeSync } from 'node:fs'
import { Failure } from '../failure.ts'
import { gitCredential } from './git-credential.ts'
import { gitGpg } from './git-gpg.ts'

// Node would open its debugger on this signal (see main.ts), and show a token.
process.on('SIGUSR1', () => {})

const [program, ...args] = process.argv.slice(2)

try {
  if (program === 'credential') {
    const answer = await gitCredential(args[0], process.env)
    if (answer !== undefined) writeSync(1, answer)
  } else {
    await gitGpg(args, process.env)
  }
} catch (error) {
  // Nothing of another error is shown: it may quote what it was about.
  const { message, hints } = error instanceof Failure ? error : new Failure('unexpected failure')
  writeSync(2, [`keyhold: ${message}`, ...hints.map((hint) => `  ${hint}`), ''].join('\n'))
  process.exitCode = 1
}
