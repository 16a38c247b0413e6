import { type Config, ConfigError } from '../config/config.ts'

/** What a variable leads to cannot be used. The cause's text may quote a value, its code does not. */
export function unusable(message: string, error: unknown): ConfigError {
  let cause = error
  while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'no answer'
  return new ConfigError(`${message} (${code})`, { cause: error })
}

/** Says at which address, and what to type when somebody else has it. */
export function cannotListen(
  variable: 'KEYHOLD_HTTP_ADDR' | 'KEYHOLD_SSH_ADDR',
  { host, port }: Config['http'],
  error: unknown,
): ConfigError {
  const name = host.includes(':') ? `[${host}]` : host
  const { message } = unusable(`${variable}: cannot listen at ${name}:${port}`, error)
  const next = message.endsWith('(EADDRINUSE)')
    ? `: another program listens there. Take another port: ${variable}=${name}:${port < 65_535 ? port + 1 : port - 1} npm start`
    : ''
  return new ConfigError(message + next, { cause: error })
}
