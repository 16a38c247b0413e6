import { readFileSync } from 'node:fs'
import { BlockList, isIP } from 'node:net'
import { join, resolve } from 'node:path'
import { createSecureContext } from 'node:tls'
import { foreignVariables, type Option, type OptionName, options } from './options.ts'

export interface ListenAddress {
  readonly host: string
  readonly port: number
}

export interface SshConfig {
  /** Absent: there is no gateway. */
  readonly address?: ListenAddress
  /** Nobody chose the address: where it is taken, the server goes without. */
  readonly isDefault: boolean
  /** Absent: the host of the public address, and the port that the gateway listens on. */
  readonly publicAddress?: ListenAddress
}

/** The configuration, read once and frozen. */
export interface Config {
  /** Absolute path. */
  readonly dataDir: string
  /** Absent: SQLite in `dataDir`. */
  readonly databaseUrl?: string
  readonly http: ListenAddress
  readonly ssh: SshConfig
  /** Without a slash at its end. */
  readonly publicUrl: string
  /** Where other servers with the same database reach this one. Without a slash at its end. */
  readonly internalUrl?: string
  readonly trustedProxies?: BlockList
  /** How long SIGTERM lets requests come in. */
  readonly drainMs: number
  /** What may be called though it is not public. */
  /** Where files of the audit log go. */
  readonly auditDir: string
  readonly outgoingAllow?: BlockList
  readonly tls?: { readonly cert: string; readonly key: string }
  /** 32 bytes. Absent: `root.key` in `dataDir`. */
  readonly rootKey?: Buffer
  /** Opens `root.key` in `dataDir` when it is sealed. */
  readonly rootKeyPassphrase?: string
  readonly metrics: { readonly address?: ListenAddress; readonly token?: string }
  /** Absent: no mail is sent. */
  readonly mail?: { readonly url: string; readonly from: string }
  readonly logLevel: string
  /** Every option as it was given, for administrators to look at: never a value marked secret. */
  readonly shown: readonly ShownOption[]
  /** Things worth a line in the log at start, such as an unknown variable. */
  readonly warnings: readonly string[]
}

/** An option as administrators see it. */
export interface ShownOption {
  readonly name: OptionName
  /** Somebody chose it. */
  readonly isSet: boolean
  /** `null`: there is none, or it is not shown. */
  readonly shown: string | null
  readonly isSecret: boolean
  readonly doc: string
}

/** A mistake in the configuration. The message names the variable and the next step, never a value marked secret. */
export class ConfigError extends Error {}

type Values = Partial<Record<OptionName, string>>

function readValues(env: NodeJS.ProcessEnv): Values {
  const values: Values = {}
  for (const option of options as readonly Option[]) {
    const name = option.name as OptionName // `as`: rows of the table are its names.
    const file = env[`${name}_FILE`]
    const direct = env[name]
    if (direct !== undefined && file !== undefined) {
      throw new ConfigError(`${name} and ${name}_FILE are both set; unset one of them`)
    }
    if (direct && option.isFileOnly)
      throw new ConfigError(`${name} is read from a file only: unset it, and set ${name}_FILE`)
    const value = file === undefined ? direct : readOptionFile(`${name}_FILE`, file)
    if (value !== undefined && value !== '') values[name] = value
    else if (option.default !== undefined) values[name] = option.default
  }
  return values
}

function readOptionFile(variable: string, path: string): string {
  try {
    return readFileSync(path, 'utf8').trimEnd()
  } catch (error) {
    // Without the path: whoever mistakes the variable puts the value itself there. `as`: readFileSync throws system errors.
    throw new ConfigError(`${variable}: cannot read that file (${(error as NodeJS.ErrnoException).code})`)
  }
}

function parseAddress(name: string, text: string): ListenAddress {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (!match || port > 65_535) throw new ConfigError(`${name} must be host:port, such as localhost:8080`)
  return { host: match[1] ?? match[2] ?? '', port }
}

/** Whether a listening host is reachable from this machine only. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

function parseRanges(name: string, text: string): BlockList {
  const list = new BlockList()
  for (const entry of text.split(',').map((part) => part.trim())) {
    const [address = '', prefix, ...rest] = entry.split('/')
    const version = isIP(address)
    const bits =
      prefix === undefined ? (version === 4 ? 32 : 128) : /^\d{1,3}$/.test(prefix) ? Number(prefix) : -1
    if (version === 0 || rest.length > 0 || bits < 0 || bits > (version === 4 ? 32 : 128)) {
      throw new ConfigError(`${name} must be addresses or CIDR ranges separated by commas`)
    }
    list.addSubnet(address, bits, version === 4 ? 'ipv4' : 'ipv6')
  }
  return list
}

function parseServerUrl(name: OptionName, text: string): string {
  // `new URL` quotes its input when it throws; the address is no secret, but userinfo in it would be.
  if (!URL.canParse(text)) throw new ConfigError(`${name} must be a URL, such as https://keys.example.com`)
  const url = new URL(text)
  if (
    !['http:', 'https:'].includes(url.protocol) ||
    url.username !== '' ||
    url.password !== '' ||
    url.search !== '' ||
    url.hash !== ''
  ) {
    throw new ConfigError(`${name} must be http or https, without user, password, query or fragment`)
  }
  return url.href.replace(/\/+$/, '')
}

function parseDatabaseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !['postgres:', 'postgresql:'].includes(url.protocol) || url.pathname.length < 2)
    throw new ConfigError('KEYHOLD_DATABASE_URL must be postgres://user:password@host/database')
  return text
}

/** A certificate and its key, tried before anything is started. OpenSSL's messages quote nothing, but say little. */
function parseTls(cert: string, key: string): { cert: string; key: string } {
  try {
    createSecureContext({ cert, key, minVersion: 'TLSv1.2' })
  } catch {
    throw new ConfigError(
      'KEYHOLD_TLS_CERT and KEYHOLD_TLS_KEY must be a certificate and its private key, both in PEM',
    )
  }
  return { cert, key }
}

function parseRootKey(text: string): Buffer {
  if (text.startsWith('keyhold-sealed-root-key/'))
    throw new ConfigError('KEYHOLD_ROOT_KEY is sealed: only root.key in the data directory may be')
  const key = Buffer.from(text, 'base64')
  if (key.length !== 32 || key.toString('base64').replace(/=+$/, '') !== text.replace(/=+$/, '')) {
    throw new ConfigError('KEYHOLD_ROOT_KEY must be 32 bytes in base64 (openssl rand -base64 32)')
  }
  return key
}

function parseMail(url: string | undefined, from: string | undefined): Config['mail'] {
  if (url === undefined && from === undefined) return undefined
  if (url === undefined || from === undefined)
    throw new ConfigError('KEYHOLD_SMTP_URL and KEYHOLD_MAIL_FROM belong together; set both')
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  const isPlain = parsed && /^\/?$/.test(parsed.pathname) && parsed.search === '' && parsed.hash === ''
  if (!isPlain || !/^smtps?:$/.test(parsed.protocol) || parsed.hostname === '')
    throw new ConfigError('KEYHOLD_SMTP_URL must be smtps://user:password@host:port, or smtp://')
  if (!/^[^\r\n]*[^\s@]+@[^\s@]+[^\r\n]*$/.test(from))
    throw new ConfigError('KEYHOLD_MAIL_FROM must be a mail address, such as Keyhold <keyhold@example.com>')
  return { url, from }
}

/** A balancer asks for health every few seconds; what it has not noticed after this long it never will. */
const DRAIN_SECONDS_MAX = 300

function parseDrainMs(text: string): number {
  const seconds = /^\d{1,3}$/.test(text) ? Number(text) : Number.NaN
  if (!(seconds <= DRAIN_SECONDS_MAX))
    throw new ConfigError(`KEYHOLD_DRAIN_SECONDS must be a whole number from 0 to ${DRAIN_SECONDS_MAX}`)
  return seconds * 1000
}

/** Where no root is needed to listen, and no sshd does. */
const SSH_PORT = 2222

/** @param httpHost where the gateway listens too unless it is told otherwise: who stays on loopback does so with both. */
function parseSsh(
  address: string | undefined,
  publicAddress: string | undefined,
  httpHost: string,
): SshConfig {
  return {
    ...(address !== 'off' && {
      address:
        address === undefined
          ? { host: httpHost, port: SSH_PORT }
          : parseAddress('KEYHOLD_SSH_ADDR', address),
    }),
    isDefault: address === undefined,
    ...(publicAddress !== undefined && {
      publicAddress: parseAddress('KEYHOLD_SSH_PUBLIC_ADDR', publicAddress),
    }),
  }
}

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'silent']

/** Reads the configuration from `env`. @throws ConfigError on the first mistake. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const values = readValues(env)
  // `!`: these options have defaults.
  const http = parseAddress('KEYHOLD_HTTP_ADDR', values.KEYHOLD_HTTP_ADDR!)
  const trustedProxies = values.KEYHOLD_TRUSTED_PROXIES
    ? parseRanges('KEYHOLD_TRUSTED_PROXIES', values.KEYHOLD_TRUSTED_PROXIES)
    : undefined
  const { KEYHOLD_TLS_CERT: cert, KEYHOLD_TLS_KEY: key } = values
  if ((cert === undefined) !== (key === undefined)) {
    throw new ConfigError(
      'KEYHOLD_TLS_CERT and KEYHOLD_TLS_KEY belong together; set both (or their _FILE forms)',
    )
  }
  if (!isLoopback(http.host) && !cert && !trustedProxies) {
    throw new ConfigError(
      'KEYHOLD_HTTP_ADDR: refusing plain HTTP on an address that is not loopback. ' +
        'Set KEYHOLD_TLS_CERT_FILE and KEYHOLD_TLS_KEY_FILE, or put a TLS proxy in front and set KEYHOLD_TRUSTED_PROXIES',
    )
  }
  if (!logLevels.includes(values.KEYHOLD_LOG_LEVEL!)) {
    throw new ConfigError(`KEYHOLD_LOG_LEVEL must be one of ${logLevels.join(', ')}`)
  }
  const scheme = cert ? 'https' : 'http'
  const mail = parseMail(values.KEYHOLD_SMTP_URL, values.KEYHOLD_MAIL_FROM)
  const host = http.host.includes(':') ? `[${http.host}]` : http.host || 'localhost'
  return Object.freeze({
    dataDir: resolve(values.KEYHOLD_DATA_DIR!),
    auditDir: resolve(values.KEYHOLD_AUDIT_DIR ?? join(values.KEYHOLD_DATA_DIR!, 'audit')),
    ...(values.KEYHOLD_DATABASE_URL && { databaseUrl: parseDatabaseUrl(values.KEYHOLD_DATABASE_URL) }),
    http,
    ssh: parseSsh(values.KEYHOLD_SSH_ADDR, values.KEYHOLD_SSH_PUBLIC_ADDR, http.host),
    publicUrl: parseServerUrl(
      'KEYHOLD_PUBLIC_URL',
      values.KEYHOLD_PUBLIC_URL ?? `${scheme}://${host}:${http.port}`,
    ),
    ...(values.KEYHOLD_INTERNAL_URL && {
      internalUrl: parseServerUrl('KEYHOLD_INTERNAL_URL', values.KEYHOLD_INTERNAL_URL),
    }),
    ...(trustedProxies && { trustedProxies }),
    drainMs: parseDrainMs(values.KEYHOLD_DRAIN_SECONDS!),
    ...(values.KEYHOLD_OUTGOING_ALLOW && {
      outgoingAllow: parseRanges('KEYHOLD_OUTGOING_ALLOW', values.KEYHOLD_OUTGOING_ALLOW),
    }),
    ...(cert && key && { tls: parseTls(cert, key) }),
    ...(values.KEYHOLD_ROOT_KEY && { rootKey: parseRootKey(values.KEYHOLD_ROOT_KEY) }),
    ...(values.KEYHOLD_ROOT_KEY_PASSPHRASE && {
      rootKeyPassphrase: values.KEYHOLD_ROOT_KEY_PASSPHRASE,
    }),
    metrics: {
      ...(values.KEYHOLD_METRICS_ADDR && {
        address: parseAddress('KEYHOLD_METRICS_ADDR', values.KEYHOLD_METRICS_ADDR),
      }),
      ...(values.KEYHOLD_METRICS_TOKEN && { token: values.KEYHOLD_METRICS_TOKEN }),
    },
    ...(mail && { mail }),
    logLevel: values.KEYHOLD_LOG_LEVEL!,
    shown: (options as readonly Option[]).map((option) => toShown(option, env, values)),
    warnings: [...unknownVariables(env), ...tooManyProxies(trustedProxies)],
  })
}

function toShown(option: Option, env: NodeJS.ProcessEnv, values: Values): ShownOption {
  const name = option.name as OptionName // `as`: rows of the table are its names.
  const value = values[name]
  const isSecret = option.isSecret ?? false
  return {
    name,
    isSet: Boolean(env[name]) || env[`${name}_FILE`] !== undefined,
    // Several lines are a certificate or the like, which says nothing to people.
    shown: isSecret || value === undefined || value.includes('\n') ? null : value,
    isSecret,
    doc: option.doc,
  }
}

function unknownVariables(env: NodeJS.ProcessEnv): string[] {
  const known = new Set([...options.map((option) => option.name), ...foreignVariables])
  return Object.keys(env)
    .filter((name) => name.startsWith('KEYHOLD_') && !known.has(name.replace(/_FILE$/, '')))
    .map((name) => `${name} is set, but there is no such option`)
}

function tooManyProxies(proxies: BlockList | undefined): string[] {
  // Two addresses that have nothing in common but 0.0.0.0/0.
  return proxies?.check('1.1.1.1') && proxies.check('192.0.2.1')
    ? ['KEYHOLD_TRUSTED_PROXIES trusts every address: anybody can say to be anybody']
    : []
}
