/** One row of the configuration. The reference page is generated from this table. */
export interface Option {
  /** Environment variable; each may also be given as `<name>_FILE`, naming a file that holds the value. */
  readonly name: `KEYHOLD_${string}`
  readonly default?: string
  /** Shown in the reference. */
  readonly doc: string
  /** Never printed, not even in an error. */
  readonly isSecret?: true
  /** Only `<name>_FILE` is taken: the environment of a process is seen by too many for it. */
  readonly isFileOnly?: true
}

export const options = [
  {
    name: 'KEYHOLD_DATA_DIR',
    default: './data',
    doc: 'Directory of the SQLite database, the root key and the set-up code. Made on the first start, readable by its owner only.',
  },
  {
    name: 'KEYHOLD_DATABASE_URL',
    doc: 'PostgreSQL to use instead of SQLite: `postgres://user:password@host/database`. Any number of servers may share one.',
    isSecret: true,
  },
  {
    name: 'KEYHOLD_HTTP_ADDR',
    default: 'localhost:8080',
    doc: 'Address to listen on, `host:port`. Other than loopback needs TLS or trusted proxies.',
  },
  {
    name: 'KEYHOLD_SSH_ADDR',
    doc: 'Address of the SSH gateway, the way into workspaces, `host:port`, or `off`. Default: port 2222 at the host of KEYHOLD_HTTP_ADDR; where that is taken, the server starts without it.',
  },
  {
    name: 'KEYHOLD_SSH_PUBLIC_ADDR',
    doc: 'What people type to reach it, `host:port`. Default: the host of KEYHOLD_PUBLIC_URL, and the port it listens on.',
  },
  {
    name: 'KEYHOLD_PUBLIC_URL',
    doc: 'The address people and machines use, such as `https://keys.example.com`. Default: made from KEYHOLD_HTTP_ADDR.',
  },
  {
    name: 'KEYHOLD_INTERNAL_URL',
    doc: 'Where other servers with the same database reach this one, such as `http://10.0.0.4:8080`: people enter workspaces by SSH through any of them. Default: KEYHOLD_HTTP_ADDR, with the first address of the machine where that names none.',
  },
  {
    name: 'KEYHOLD_TRUSTED_PROXIES',
    doc: 'Addresses or CIDR ranges of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed, separated by commas. Default: none.',
  },
  {
    name: 'KEYHOLD_TLS_CERT',
    doc: 'Certificate chain in PEM. Usually given as KEYHOLD_TLS_CERT_FILE.',
  },
  {
    name: 'KEYHOLD_TLS_KEY',
    doc: 'Private key of the certificate in PEM. Usually given as KEYHOLD_TLS_KEY_FILE.',
    isSecret: true,
  },
  {
    name: 'KEYHOLD_ROOT_KEY',
    doc: 'Root key: 32 bytes in base64. Default: `root.key` in the data directory, made on the first start. Keep a copy elsewhere: without it nothing can be read.',
    isSecret: true,
  },
  {
    name: 'KEYHOLD_ROOT_KEY_PASSPHRASE',
    doc: 'Passphrase of a sealed `root.key`, only as KEYHOLD_ROOT_KEY_PASSPHRASE_FILE: a file, or a systemd credential. Default: asked for on a terminal; without one the server waits for `keyhold admin unseal`.',
    isSecret: true,
    isFileOnly: true,
  },
  {
    name: 'KEYHOLD_AUDIT_DIR',
    doc: 'Directory of the files that the audit log is sent to. Default: `audit` in the data directory. Better on another machine.',
  },
  {
    name: 'KEYHOLD_METRICS_ADDR',
    doc: 'Separate address for /metrics, `host:port`, without authentication.',
  },
  {
    name: 'KEYHOLD_METRICS_TOKEN',
    doc: 'Bearer token for /metrics on the main address. Without it and without KEYHOLD_METRICS_ADDR there is no /metrics.',
    isSecret: true,
  },
  {
    name: 'KEYHOLD_DRAIN_SECONDS',
    default: '0',
    doc: 'With several servers behind a balancer: how long a server that gets SIGTERM still answers while `/readyz` says 503, so that the balancer sends it nothing more. Up to 300. A second signal ends it at once.',
  },
  {
    name: 'KEYHOLD_OUTGOING_ALLOW',
    doc: 'Addresses or CIDR ranges that Keyhold may call though they are loopback, link-local or the like, and by plain HTTP, separated by commas. Default: none; private ranges are only called for what an administrator registered as self-hosted.',
  },
  {
    name: 'KEYHOLD_SMTP_URL',
    doc: 'Mail server for reminders: `smtps://user:password@host:465`, or `smtp://user:password@host:587` with STARTTLS, which is insisted on unless the server is on this machine. Default: no mail.',
    isSecret: true,
  },
  {
    name: 'KEYHOLD_MAIL_FROM',
    doc: 'Sender of mail, such as `Keyhold <keyhold@example.com>`. Needed with KEYHOLD_SMTP_URL.',
  },
  {
    name: 'KEYHOLD_LOG_LEVEL',
    default: 'info',
    doc: 'trace, debug, info, warn, error or silent. At debug each request is a line. Values and credentials are in no level.',
  },
] as const satisfies readonly Option[]

export type OptionName = (typeof options)[number]['name']

/** Variables of the CLI and of other programs, which the server leaves alone. */
export const foreignVariables = [
  'KEYHOLD_URL',
  'KEYHOLD_TOKEN',
  'KEYHOLD_ACCESS_KEY_ID',
  'KEYHOLD_ACCESS_KEY',
  'KEYHOLD_ENVIRONMENT',
  'KEYHOLD_PROJECT',
  'KEYHOLD_MAX_AGE',
  'KEYHOLD_ENROLLMENT_TOKEN',
  'KEYHOLD_AGENT_SOCKET',
  'KEYHOLD_WORKLOAD_IDENTITY',
]
