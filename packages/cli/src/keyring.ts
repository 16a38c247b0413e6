// The keyring of the desktop, where somebody asked for it: the Secret Service by `secret-tool` (libsecret) on Linux, the
// keychain by `security` on macOS. Both are programs that the system brings, so nothing is compiled or loaded here. No
// value is ever in their arguments. Starting one takes 12 to 33 ms, which is why the keyring is not the default.
import { ExitCode } from './exit-codes.ts'
import { Failure } from './failure.ts'

/** Somebody may have to unlock it; but one that does not answer must not keep a command from ending. */
const DEADLINE_MS = 10_000

/** The keyring has no answer, though the token should be there. */
export class KeyringFailure extends Failure {
  constructor(reason: string) {
    super(`the access token is in the keyring of this desktop, and ${reason}`, {
      exitCode: ExitCode.NotSignedIn,
      hints: [
        'unlock the keyring and try again',
        'or keep the token in a file: keyhold logout, keyhold login',
      ],
    })
  }
}

/** How one system's program is asked. Arguments never hold a token. */
interface Program {
  readonly name: string
  store(url: string): readonly string[]
  /** What it reads from standard input in order to store. */
  stored(url: string, token: string): string
  read(url: string): readonly string[]
  remove(url: string): readonly string[]
}

const attributes = (url: string) => ['service', 'keyhold', 'url', url]

const secretTool: Program = {
  name: 'secret-tool',
  store: (url) => ['store', `--label=Keyhold ${url}`, ...attributes(url)],
  stored: (_url, token) => token,
  read: (url) => ['lookup', ...attributes(url)],
  remove: (url) => ['clear', ...attributes(url)],
}

const security: Program = {
  name: 'security',
  // Its own `-w` would put the token into the arguments; with -i it reads commands from standard input.
  store: () => ['-i'],
  stored: (url, token) => `add-generic-password -U -s keyhold -a "${url}" -w "${token}"\n`,
  read: (url) => ['find-generic-password', '-s', 'keyhold', '-a', url, '-w'],
  remove: (url) => ['delete-generic-password', '-s', 'keyhold', '-a', url],
}

const programOf = (platform: NodeJS.Platform): Program | undefined =>
  platform === 'darwin' ? security : platform === 'linux' ? secretTool : undefined

/** Puts a token there and reads it back. @returns why it is not there; undefined when it is. */
export function storeInKeyring(env: NodeJS.ProcessEnv, url: string, token: string): string | undefined {
  const program = programOf(process.platform)
  if (program === undefined) return 'this system has none that Keyhold knows'
  // What is written into a command of `security` has to be one word.
  if (!/^[\w:/.%~[\]-]+$/.test(url) || !/^\w+$/.test(token))
    return 'the address has characters that do not fit'
  const stored = ask(program, program.store(url), env, program.stored(url, token))
  if (typeof stored !== 'string') return stored.problem
  // Also where storing reported success: `security -i` always does.
  const read = ask(program, program.read(url), env)
  if (typeof read !== 'string') return read.problem
  return read.replace(/\n$/, '') === token ? undefined : 'it does not give back what was stored'
}

/** @throws KeyringFailure */
export function readFromKeyring(env: NodeJS.ProcessEnv, url: string): string {
  const program = programOf(process.platform)
  const read = program ? ask(program, program.read(url), env) : { problem: 'this system has none' }
  if (typeof read !== 'string') throw new KeyringFailure(read.problem)
  const token = read.replace(/\n$/, '')
  if (token === '') throw new KeyringFailure('it does not have one')
  return token
}

/** Takes the token out; when that fails it stays, and is of no use once it is deleted at the server. */
export function removeFromKeyring(env: NodeJS.ProcessEnv, url: string): void {
  const program = programOf(process.platform)
  if (program !== undefined) ask(program, program.remove(url), env)
}

function ask(
  { name }: Program,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  input = '',
): string | { readonly problem: string } {
  // Only here: commands that need no keyring do not load what starts processes.
  const { spawnSync } = process.getBuiltinModule('node:child_process')
  const { error, status, stdout } = spawnSync(name, args, {
    input,
    env,
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'ignore'],
    timeout: DEADLINE_MS,
    killSignal: 'SIGKILL',
  })
  const code = error && 'code' in error ? error.code : undefined
  if (code === 'ENOENT') return { problem: `${name} is not installed` }
  if (code === 'ETIMEDOUT') return { problem: `it did not answer within ${DEADLINE_MS / 1000} s` }
  if (error !== undefined) return { problem: `${name} cannot be started (${String(code)})` }
  return status === 0 ? stdout : { problem: 'it refused' }
}
