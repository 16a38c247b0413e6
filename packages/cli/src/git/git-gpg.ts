import { accessSync, closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { askAgent } from '../agent/requests.ts'
import { Failure } from '../failure.ts'
import { visible } from '../terminal.ts'

/** Ed25519 in the form of GnuPG, and SHA-256, in RFC 9580 §9.1 and §9.5: git looks at neither. */
const ALGORITHMS = '22 8'

/**
 * Signs as the gpg that git starts (gpg.program): with the key of the workspace's owner at Keyhold, which has the private half.
 * For everything else, such as verifying, this process becomes the gpg of the machine. @throws Failure
 */
export async function gitGpg(args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const wanted = keyToSignWith(args)
  if (wanted === undefined) return becomeGpg(args, env)
  try {
    await signOrBecomeGpg(wanted, args, env)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    const hints = [...error.hints, 'to commit without a signature, once: git commit --no-gpg-sign']
    tellTerminal([`keyhold: ${error.message}`, ...hints.map((hint) => `  ${hint}`)])
    throw new Failure(error.message, { hints, exitCode: error.exitCode, kind: error.kind })
  }
}

/** Older releases of git show nothing of what gpg says. */
function tellTerminal(lines: readonly string[]): void {
  try {
    const tty = openSync('/dev/tty', 'w')
    writeSync(tty, lines.map((line) => `${visible(line)}\r\n`).join(''))
    closeSync(tty)
  } catch {
    // There is none, and git may show it.
  }
}

async function signOrBecomeGpg(
  wanted: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const { key } = await askAgent(env, 'git-signing', {})
  // With fewer digits it could be another key.
  const isOurs = key !== undefined && wanted.length >= 16 && key.fingerprint.endsWith(wanted.toUpperCase())
  if (!isOurs) return becomeGpg(args, env)
  const { fingerprint } = key
  const data = readFileSync(0).toString('base64')
  const { signature } = await askAgent(env, 'git-sign', { fingerprint, data })
  writeSync(1, `${signature.trimEnd()}\n`)
  // What gpg says on --status-fd=2 (doc/DETAILS of GnuPG): git wants it on a line of its own.
  const time = Math.floor(Date.now() / 1000)
  writeSync(2, `\n[GNUPG:] SIG_CREATED D ${ALGORITHMS} 00 ${time} ${fingerprint}\n`)
}

/** The key of `gpg --status-fd=2 -bsau KEY`, as git signs (gpg-interface.c). @returns undefined for everything else. */
function keyToSignWith(args: readonly string[]): string | undefined {
  const [status, sign, key, ...more] = args
  const isSigning = status === '--status-fd=2' && sign === '-bsau' && more.length === 0
  return isSigning ? /^(?:0x)?([0-9a-fA-F]+)!?$/.exec(key ?? '')?.[1] : undefined
}

/** Becomes the real one. @throws Failure when there is none. */
function becomeGpg(args: readonly string[], env: NodeJS.ProcessEnv): never {
  for (const folder of (env.PATH ?? '').split(delimiter)) {
    const path = join(folder, 'gpg')
    try {
      accessSync(path, constants.X_OK)
    } catch {
      continue
    }
    // Node ignores these, and what is ignored stays so; what has a listener is back to what it was.
    for (const signal of ['SIGPIPE', 'SIGXFSZ'] as const) process.on(signal, () => {})
    process.execve!(path, ['gpg', ...args], env as NodeJS.Dict<string>) // `!`: everywhere but on Windows.
  }
  throw new Failure('there is no gpg on this machine', { hints: ['install the package gnupg'] })
}
