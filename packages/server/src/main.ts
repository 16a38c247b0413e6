import { parseArgs } from 'node:util'
import { Secret } from '@keyhold/contract/secret'
import { pino } from 'pino'
import { AppError } from './base/app-error.ts'
import { composeCore, composeServer } from './compose.ts'
import { ConfigError, readConfig } from './config/config.ts'
import { env } from './config/environment.ts'
import { lockDataDir } from './storage/storage.ts'
import { WrongRootKeyError } from './vault/vault.ts'

/** How long requests may take to end after SIGTERM. */
const SHUTDOWN_MS = 10_000

/** A mistake in the command line. */
class UsageError extends Error {}

async function serve(): Promise<void> {
  const config = readConfig(env)
  const logger = pino({ level: config.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime })
  // PostgreSQL takes any number of servers; a directory with SQLite takes one.
  const unlock = config.databaseUrl === undefined ? lockDataDir(config.dataDir) : () => {}
  const core = await composeCore(config)
  const server = await composeServer(config, core, logger)
  for (const warning of config.warnings) logger.warn(warning)
  const address = await server.listen()
  logger.info({ address, database: core.storage.dialect, rootKey: core.vault.rootFingerprint }, 'ready')
  if (core.newRootKeyPath) say(newRootKeyText(core.newRootKeyPath, core.vault.rootFingerprint))
  const code = await core.accounts.newSetupCode()
  if (code) say(setupText(config.publicUrl, code))

  let isStopping = false
  const stop = async (signal: string) => {
    if (isStopping) return
    isStopping = true
    logger.info({ signal }, 'stopping')
    setTimeout(() => process.exit(1), SHUTDOWN_MS).unref()
    await server.close()
    unlock()
    process.exit(0)
  }
  process.on('SIGTERM', (signal) => void stop(signal))
  process.on('SIGINT', (signal) => void stop(signal))
}

/** For people: stderr, beside the log on stdout. */
function say(text: string): void {
  process.stderr.write(text)
}

function newRootKeyText(path: string, fingerprint: string): string {
  return `
  A root key was made: ${path} (fingerprint ${fingerprint}).
  Copy that file to a safe place outside this machine now. Without it nothing that is stored can be read.
`
}

function setupText(publicUrl: string, code: Secret<string>): string {
  // The code stands after the #, which browsers do not send: it reaches no log and no proxy.
  return `
  Keyhold is not set up yet. Open this link, or run \`npx keyhold setup\` in a second terminal:

    ${publicUrl}/setup#code=${code.reveal()}

  The code works once. A new one is printed at each start until then.

`
}

const adminUsage = `usage:
  keyhold admin create-user --email E --name N [--admin] --password-stdin
  keyhold admin create-token --email E --name N
`

/** Commands for the server's own machine: whoever may read its files may run them. */
async function admin(args: readonly string[]): Promise<void> {
  const [command, ...rest] = args
  const { values } = parseArgs({
    args: rest,
    options: {
      email: { type: 'string' },
      name: { type: 'string' },
      admin: { type: 'boolean' },
      'password-stdin': { type: 'boolean' },
    },
  })
  const { email, name } = values
  if (!email || !name || !(command === 'create-user' || command === 'create-token'))
    throw new UsageError(adminUsage)
  if (command === 'create-user' && !values['password-stdin'])
    throw new UsageError('the password is read from stdin: give --password-stdin')

  const core = await composeCore(readConfig(env))
  const operator = {
    caller: { kind: 'operator' },
    origin: { traceId: 'admin', client: `keyhold admin ${command}` },
  } as const
  try {
    if (command === 'create-user') {
      const password = await readPassword()
      const account = await core.accounts.create(operator, {
        email,
        name,
        role: values.admin ? 'admin' : 'member',
        password,
      })
      say(`created ${account.role} ${account.email}\n`)
    } else {
      const account = await core.accounts.findByEmail(email)
      if (!account) throw new AppError('account.not_found')
      const { token } = await core.accessTokens.create(operator, account.id, {
        name,
        scopes: null,
        expiresAt: null,
      })
      process.stdout.write(`${token.reveal()}\n`)
    }
  } finally {
    await core.close()
  }
}

/** The first line of stdin. */
async function readPassword(): Promise<Secret<string>> {
  let text = ''
  for await (const chunk of process.stdin.setEncoding('utf8')) text += chunk
  const password = text.split(/\r?\n/)[0]!
  const { length } = password
  if (length < 15 || length > 256) throw new UsageError('the password must have 15 to 256 characters')
  return new Secret(password)
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
  else if (command === 'admin') await admin(args)
  else throw new UsageError('usage: keyhold server | keyhold admin …')
} catch (error) {
  const isUsage =
    error instanceof UsageError ||
    (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))
  say(`keyhold: ${explain(error)}\n`)
  process.exit(isUsage ? 2 : 1)
}
