import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Asker, Operator } from '../access/caller.ts'
import { type Core, composeCore } from '../compose/core.ts'
import { type Config, readConfig } from '../config/config.ts'
import { env } from '../config/environment.ts'
import { say, UsageError } from './output.ts'
import { withPassphrase } from './passphrase.ts'

export interface AdminOptions {
  readonly [name: string]: { readonly type: 'string' | 'boolean' }
}

/** Options as they were given. */
export type Given = Readonly<Record<string, string | boolean | undefined>>

/** A command for the server's own machine: whoever may read its files may run it. */
export interface AdminCommand {
  /** After `keyhold admin`, such as `create-token --email=E --name=N`. */
  readonly usage: string
  readonly summary: string
  readonly options: AdminOptions
  /** How many arguments it takes besides options; default none. */
  readonly arguments?: number
  run(given: Given, args: readonly string[]): Promise<void>
}

/** Reads the command line of a command. @throws UsageError, without what was typed: it may be a value. */
export function parseCommand(
  command: AdminCommand,
  line: readonly string[],
): { given: Given; args: readonly string[] } {
  const usage = `usage: keyhold admin ${command.usage}`
  try {
    const { values, positionals } = parseArgs({
      args: [...line],
      options: command.options,
      allowPositionals: true,
    })
    if (positionals.length !== (command.arguments ?? 0)) throw new UsageError(usage)
    return { given: values, args: positionals }
  } catch {
    // Node's message quotes what was typed.
    throw new UsageError(usage)
  }
}

/** How the audit log names whoever runs a command here. */
export function operator(command: string): Asker<Operator> {
  return { caller: { kind: 'operator' }, origin: { traceId: 'admin', client: `keyhold admin ${command}` } }
}

/** Sees that there is an instance: in the wrong directory, a command would make a new one. @throws Error */
export function assertInstance(): Config {
  const config = readConfig(env)
  if (config.databaseUrl === undefined && !existsSync(join(config.dataDir, 'keyhold.db'))) {
    throw new Error(
      `there is no database in ${config.dataDir}: run this where the server runs, with its variables`,
    )
  }
  return config
}

/** Opens the instance for a command, with the passphrase where its root key is sealed, and closes it afterwards. */
export async function withCore<T>(work: (core: Core, config: Config) => Promise<T>): Promise<T> {
  const config = await withPassphrase(readConfig(env))
  const core = await composeCore(config)
  if (core.newRootKeyPath) say(newRootKeyText(core.newRootKeyPath, core.vault.rootFingerprint))
  try {
    return await work(core, config)
  } finally {
    await core.close()
  }
}

export function newRootKeyText(path: string, fingerprint: string): string {
  return `
  A root key was made: ${path} (fingerprint ${fingerprint}).
  Without it nothing that is stored can be read. Put it on paper, and prove that you have it:

    npx keyhold admin recovery-kit create
`
}
