import { accessSync, constants, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { askAgent } from '../agent/requests.ts'
import { defineCommand } from '../command.ts'
import { Failure } from '../failure.ts'

/** Ed25519 in the form of GnuPG, and SHA-256, in RFC 9580 §9.1 and §9.5: git looks at neither. */
const ALGORITHMS = '22 8'

export const command = defineCommand({
  usage: '[GPG ARGUMENT…]',
  description: `What git starts in place of gpg (gpg.program) where the owner of the workspace has a GPG key. A signature with that key is
made by Keyhold, which has the private half; for everything else, such as verifying, it becomes the gpg of this machine.`,
  options: {},
  examples: [{ does: 'see which program git starts', command: 'git config gpg.program' }],
  passesThrough: true,
  async run({ args: [_name, ...args], env, terminal }) {
    const wanted = keyToSignWith(args)
    if (wanted === undefined) return becomeGpg(args, env)
    const { key } = await askAgent(env, 'git-signing', {})
    // With fewer digits it could be another key.
    const isOurs = key !== undefined && wanted.length >= 16 && key.fingerprint.endsWith(wanted.toUpperCase())
    if (!isOurs) return becomeGpg(args, env)
    const { fingerprint } = key
    const data = readFileSync(0).toString('base64')
    const { signature } = await askAgent(env, 'git-sign', { fingerprint, data })
    terminal.print(signature.trimEnd())
    // What gpg says on --status-fd=2 (doc/DETAILS of GnuPG): git wants it on a line of its own.
    const time = Math.floor(Date.now() / 1000)
    process.stderr.write(`\n[GNUPG:] SIG_CREATED D ${ALGORITHMS} 00 ${time} ${fingerprint}\n`)
    return 0
  },
})

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
