import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Email, Name } from '@keyhold/contract/api/shapes'
import { limits } from '@keyhold/contract/limits'
import { Secret } from '@keyhold/contract/secret'
import { pino } from 'pino'
import { AppError } from './base/app-error.ts'
import { composeCore, composeServer, makeDataDir } from './compose.ts'
import { ConfigError, readConfig } from './config/config.ts'
import { env } from './config/environment.ts'
import { lockDataDir } from './storage/storage.ts'
import { WrongRootKeyError } from './vault/vault.ts'

/** How long requests may take to end after SIGTERM, and then the rest. */
const SHUTDOWN_MS = 10_000
const CLOSING_MS = 5_000

/** Where `keyhold setup` looks when it is not told. */
const DEFAULT_URL = 'http://localhost:8080'

/** A mistake in the command line. */
class UsageError extends Error {}

async function serve(): Promise<void> {
  // Node's own answer to SIGUSR1 is a debugger on a port, for everybody on this machine.
  process.on('SIGUSR1', () => {})
  const config = readConfig(env)
  const logger = pino({ level: config.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime })
  makeDataDir(config)
  // PostgreSQL takes any number of servers; a directory with SQLite takes one.
  const unlock = config.databaseUrl === undefined ? lockDataDir(config.dataDir) : () => {}
  const core = await composeCore(config)
  const server = await composeServer(config, core, logger)
  const start = async () => {
    for (const warning of config.warnings) logger.warn(warning)
    const address = await server.listen()
    logger.info({ address, database: core.storage.dialect, rootKey: core.vault.rootFingerprint }, 'ready')
    if (core.newRootKeyPath) say(newRootKeyText(core.newRootKeyPath, core.vault.rootFingerprint))
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
  const url = publicUrl === DEFAULT_URL ? '' : ` --url=${publicUrl}`
  // The code stands after the #, which browsers do not send: it reaches no log and no proxy.
  return `
  Keyhold is not set up yet. In a second terminal, in the same directory:

    npx keyhold setup${url}

  It asks for a one-time code. Answer with this link, which has the code at its end:

    ${publicUrl}/setup#code=${code.reveal()}

  The code works once. A new one is printed at each start until then.

`
}

const adminUsage = `usage:
  keyhold admin create-user --email E --name N [--admin] --password-stdin
  keyhold admin create-token --email E --name N
  keyhold admin reset-second-factor --email E
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
  const { email, name = '' } = values
  const isReset = command === 'reset-second-factor'
  if (!email || !(name || isReset) || !(isReset || command === 'create-user' || command === 'create-token'))
    throw new UsageError(adminUsage)
  if (command === 'create-user' && !values['password-stdin'])
    throw new UsageError('the password is read from stdin: give --password-stdin')
  if (!fits(Email, email)) throw new UsageError('--email is no e-mail address')
  if (!isReset && !fits(Name, name))
    throw new UsageError(
      `--name must have 1 to ${limits.nameLength} characters, none of them control characters`,
    )

  const password = command === 'create-user' ? await readPassword() : undefined
  const core = await composeCore(readConfig(env))
  if (core.newRootKeyPath) say(newRootKeyText(core.newRootKeyPath, core.vault.rootFingerprint))
  const operator = {
    caller: { kind: 'operator' },
    origin: { traceId: 'admin', client: `keyhold admin ${command}` },
  } as const
  try {
    if (isReset) {
      const account = await core.accounts.findByEmail(email)
      if (!account) throw new AppError('account.not_found')
      await core.secondFactors.reset(operator, account.id)
      say(`${account.email} signs in with the password alone\n`)
    } else if (password) {
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

/** Whether text keeps to a string of the contract, as it would have to over HTTP. */
function fits(schema: object, text: string): boolean {
  // `as`: strings of the contract say no more than this.
  const { minLength, maxLength, pattern } = schema as {
    minLength: number
    maxLength: number
    pattern: string
  }
  return text.length >= minLength && text.length <= maxLength && new RegExp(pattern, 'u').test(text)
}

/** The first line of stdin. */
async function readPassword(): Promise<Secret<string>> {
  let text = ''
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    text += chunk
    if (text.includes('\n')) break
  }
  const [password = ''] = text.split(/\r?\n/)
  const { passwordLengthMin: min, passwordLengthMax: max } = limits
  if (password.length < min || password.length > max)
    throw new UsageError(`the password must have ${min} to ${max} characters`)
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
  // Node's message quotes what was typed, which may be a password that should have gone to stdin.
  say(`keyhold: ${isUsage && !(error instanceof UsageError) ? adminUsage : `${explain(error)}\n`}`)
  process.exit(isUsage ? 2 : 1)
}
