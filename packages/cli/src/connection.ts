import { readFileSync } from 'node:fs'
import { ExitCode } from './exit-codes.ts'
import { Failure, usageFailure } from './failure.ts'
import { refusePlainHttp } from './http.ts'

/** Where the server is and how this machine shows which project it may read. */
export interface MachineConnection {
  /** Without a final slash. */
  readonly url: string
  readonly accessKeyId: string
  readonly accessKey: string
}

/** Says whether the environment names an access key, or a part of one. */
export function hasAccessKey(env: NodeJS.ProcessEnv): boolean {
  return ['KEYHOLD_ACCESS_KEY_ID', 'KEYHOLD_ACCESS_KEY'].some((name) => env[name] || env[`${name}_FILE`])
}

/** Reads the connection from `KEYHOLD_*` variables. @throws Failure that says what to set. */
export function machineConnection(env: NodeJS.ProcessEnv): MachineConnection {
  const accessKeyId = variable(env, 'KEYHOLD_ACCESS_KEY_ID')
  const accessKey = variable(env, 'KEYHOLD_ACCESS_KEY')
  if (accessKeyId === undefined || accessKey === undefined) {
    const missing = accessKeyId === undefined ? 'KEYHOLD_ACCESS_KEY_ID' : 'KEYHOLD_ACCESS_KEY'
    const hasToken = variable(env, 'KEYHOLD_TOKEN') !== undefined
    throw new Failure(`not signed in: ${missing} is not set`, {
      exitCode: ExitCode.NotSignedIn,
      hints: [
        ...(hasToken
          ? ['KEYHOLD_TOKEN is a person’s; people read one value at a time, a project needs its access key']
          : []),
        'make an access key, keyhold access-key create, and set KEYHOLD_ACCESS_KEY_ID and KEYHOLD_ACCESS_KEY (or …_FILE)',
        'or use a project as the person who is signed in: keyhold run --project=…',
      ],
    })
  }
  const url = variable(env, 'KEYHOLD_URL')
  if (url === undefined)
    throw usageFailure('KEYHOLD_URL is not set', 'set it to the address of your Keyhold server')
  return { url: checkedUrl(url), accessKeyId, accessKey }
}

/** Reads a variable, or the file that `<name>_FILE` names, without the file's final newline. */
export function variable(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const value = env[name]
  if (value) return value
  const path = env[`${name}_FILE`]
  if (!path) return undefined
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '') || undefined
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    throw new Failure(`the file of ${name}_FILE cannot be read (${code})`)
  }
}

function checkedUrl(text: string): string {
  // The text is not repeated: an address may carry a password.
  if (!URL.canParse(text))
    throw usageFailure('KEYHOLD_URL is not an address', 'for example https://keyhold.example.com')
  const url = new URL(text)
  if (url.username || url.password) throw usageFailure('KEYHOLD_URL must not have a user or password in it')
  refusePlainHttp(url)
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '')
}
