import { setTimeout as sleep } from 'node:timers/promises'
import type { Secret } from '@keyhold/contract/secret'
import { type Logger, pino } from 'pino'
import { admin } from './admin/admin.ts'
import { newRootKeyText } from './admin/command.ts'
import { say, UsageError } from './admin/output.ts'
import { withPassphrase } from './admin/passphrase.ts'
import { isTerminal } from './admin/prompt.ts'
import { AppError } from './base/app-error.ts'
import { composeCore, makeDataDir } from './compose/core.ts'
import { composeSealedServer } from './compose/sealed-server.ts'
import { composeServer } from './compose/server.ts'
import { type Config, ConfigError, readConfig } from './config/config.ts'
import { env } from './config/environment.ts'
import { type Option, options } from './config/options.ts'
import { lockDataDir } from './storage/storage.ts'
import { WrongRootKeyError } from './vault/keyring.ts'
import { findSealedFile, fingerprintIn } from './vault/root-key.ts'

/** How long requests may take to end after SIGTERM, and then the rest. */
const SHUTDOWN_MS = 10_000
const CLOSING_MS = 5_000

/** Where `keyhold setup` looks when it is not told. */
const DEFAULT_URL = 'http://localhost:8080'

async function serve(): Promise<void> {
  // Node's own answer to SIGUSR1 is a debugger on a port, for everybody on this machine.
  process.on('SIGUSR1', () => {})
  const config = readConfig(env)
  const logger = pino({ level: config.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime })
  makeDataDir(config)
  // PostgreSQL takes any number of servers; a directory with SQLite takes one.
  const unlock = config.databaseUrl === undefined ? lockDataDir(config.dataDir) : () => {}
  const { rootKeyPassphrase, stopWaiting } = await waitUntilUnsealed(config, logger)
  const core = await composeCore({ ...config, ...(rootKeyPassphrase !== undefined && { rootKeyPassphrase }) })
  const server = await composeServer(config, core, logger)
  const start = async () => {
    await stopWaiting()
    for (const warning of config.warnings) logger.warn(warning)
    const address = await server.listen()
    const { gateway } = server.entrance
    const ssh = gateway ? `${gateway.host}:${gateway.port}` : 'off'
    logger.info(
      { address, ssh, database: core.storage.dialect, rootKey: core.vault.rootFingerprint },
      'ready',
    )
    if (core.newRootKeyPath) say(newRootKeyText(core.newRootKeyPath, core.vault.rootFingerprint))
    else if (!(await core.rootKeys.hasProvenKit()))
      logger.warn('the root key has no proven recovery kit: keyhold admin recovery-kit create')
    if (gateway && isTerminal()) say(`keyhold: workspaces are entered by SSH through ${ssh}\n`)
    const code = await core.accounts.newSetupCode()
    if (code) say(setupText(config.publicUrl, code))
  }
  const starting = start()
  // Before anybody can know that the server is there: a signal that finds no handler ends the process amid its work.
  let draining = new AbortController()
  let isStopping = false
  const stop = async (signal: string) => {
    // Of no use but at the second signal, which ends the waiting.
    draining.abort()
    if (isStopping) return
    isStopping = true
    if (signal === 'SIGTERM' && config.drainMs > 0) {
      logger.info({ signal, seconds: config.drainMs / 1000 }, 'draining')
      server.drain()
      draining = new AbortController()
      await sleep(config.drainMs, undefined, { signal: draining.signal }).catch(() => {})
    }
    logger.info({ signal }, 'stopping')
    // A client that never ends its request must not keep the database from being closed.
    setTimeout(() => server.http.fastify.server.closeAllConnections(), SHUTDOWN_MS).unref()
    setTimeout(() => process.exit(1), SHUTDOWN_MS + CLOSING_MS).unref()
    await starting.catch(() => {}) // Told below.
    await server.close()
    unlock()
    process.exit(0)
  }
  process.on('SIGTERM', (signal) => void stop(signal))
  process.on('SIGINT', (signal) => void stop(signal))

  await starting
}

/**
 * Waits where the root key is sealed and nobody has said how it opens: for a prompt where there is a terminal, else for
 * `keyhold admin unseal`, and answers meanwhile. @returns the passphrase, and what ends the answering.
 */
async function waitUntilUnsealed(
  config: Config,
  logger: Logger,
): Promise<{ rootKeyPassphrase?: string | undefined; stopWaiting: () => Promise<void> }> {
  const path = config.rootKey ? undefined : findSealedFile(config.dataDir)
  if (path === undefined || config.rootKeyPassphrase !== undefined || isTerminal()) {
    const { rootKeyPassphrase } = await withPassphrase(config)
    return { rootKeyPassphrase, stopWaiting: async () => {} }
  }
  const sealed = await composeSealedServer(config, logger)
  const stop = async (signal: string) => {
    logger.info({ signal }, 'stopping')
    await sealed.close()
    process.exit(0)
  }
  process.on('SIGTERM', stop).on('SIGINT', stop)
  logger.warn({ address: sealed.address, rootKey: fingerprintIn(path) }, 'sealed')
  say(`\n  The root key is sealed. Give its passphrase, on this machine:\n\n    npx keyhold admin unseal\n\n`)
  const passphrase = await sealed.passphrase
  return {
    rootKeyPassphrase: passphrase.reveal(),
    stopWaiting: async () => {
      process.off('SIGTERM', stop).off('SIGINT', stop)
      await sealed.close()
    },
  }
}

function setupText(publicUrl: string, code: Secret<string>): string {
  const url = publicUrl === DEFAULT_URL ? '' : ` --url=${publicUrl}`
  // The code stands after the #, which browsers do not send: it reaches no log and no proxy.
  return `
  Keyhold is not set up yet. In a second terminal, in the same directory:

    npx keyhold setup${url}

  It asks for a one-time code. Answer with this link, which has the code at its end:

    ${publicUrl}/setup#code=${code.reveal()}

  Or open it in a browser. The code works once. A new one is printed at each start until then.

`
}

function serverHelp(): string {
  const rows: readonly Option[] = options
  const lines = rows.map(({ name, default: value, isFileOnly, doc }) => {
    const given = value === undefined ? '' : ` (default ${value})`
    return `  ${name}${isFileOnly ? '_FILE' : ''}${given}\n      ${doc.replaceAll('`', '')}\n`
  })
  return `Runs the Keyhold server

usage: keyhold server

It takes no options: it is configured by variables of its environment, each of which may also be given as NAME_FILE, which names
a file with the value. It runs until it gets SIGTERM or SIGINT.

${lines.join('')}`
}

/** What the operator is told of an error: one line and the next step; the rest is for the log. */
function explain(error: unknown): string {
  if (error instanceof UsageError || error instanceof ConfigError || error instanceof WrongRootKeyError)
    return error.message
  if (error instanceof AppError)
    return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message
  if (error instanceof Error)
    return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
  return String(error)
}

const [command, ...args] = process.argv.slice(2)
try {
  if (command === 'server' && args.length === 0) await serve()
  else if (command === 'server' && args.every((word) => word === '--help' || word === '-h'))
    process.stdout.write(serverHelp())
  else if (command === 'admin') await admin(args)
  else throw new UsageError('usage: keyhold server | keyhold admin …')
} catch (error) {
  say(`keyhold: ${explain(error)}\n`)
  process.exit(error instanceof UsageError ? 2 : 1)
}
