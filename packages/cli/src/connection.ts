import { type EnvironmentSettings, environmentSettings, KeyholdError } from '@keyhold/sdk'
import { ExitCode } from './exit-codes.ts'
import { Failure, usageFailure } from './failure.ts'
import { refusePlainHttp } from './http.ts'

/** Where the server is and how this machine shows which project it may read. */
export interface MachineConnection {
  /** Without a final slash. */
  readonly url: string
  readonly accessKeyId: string
  readonly accessKey: string
  readonly environment: string | undefined
}

/** Says whether the environment names an access key, or a part of one. */
export function hasAccessKey(env: NodeJS.ProcessEnv): boolean {
  return ['KEYHOLD_ACCESS_KEY_ID', 'KEYHOLD_ACCESS_KEY'].some((name) => env[name] || env[`${name}_FILE`])
}

/** The environment with an access key in it, where this machine has a token of its platform in place of one. @throws Failure */
export async function withWorkloadKey(env: NodeJS.ProcessEnv): Promise<NodeJS.ProcessEnv> {
  if (!env.KEYHOLD_WORKLOAD_IDENTITY || hasAccessKey(env)) return env
  // Loaded only where it is needed: starting a program must not take longer for others.
  const { exchangeIdentityToken } = await import('./workload-identity.ts')
  return { ...env, ...(await exchangeIdentityToken(env, checkedUrl(requiredUrl(env)))) }
}

function requiredUrl(env: NodeJS.ProcessEnv): string {
  const { url } = readSettings(env)
  if (url === undefined)
    throw usageFailure('KEYHOLD_URL is not set', 'set it to the address of your Keyhold server')
  return url
}

/** Reads the connection from `KEYHOLD_*` variables. @throws Failure that says what to set. */
export function machineConnection(env: NodeJS.ProcessEnv, isSignedIn = false): MachineConnection {
  const settings = readSettings(env)
  const { url, token, accessKeyId, accessKey, environment } = settings
  assertOneCaller(settings)
  if (accessKeyId === undefined || accessKey === undefined) {
    const missing = accessKeyId === undefined ? 'KEYHOLD_ACCESS_KEY_ID' : 'KEYHOLD_ACCESS_KEY'
    throw new Failure(`not signed in: ${missing} is not set`, {
      exitCode: ExitCode.NotSignedIn,
      hints: [
        ...(isSignedIn
          ? [
              'as the person who is signed in: keyhold run --project=PROJECT -- COMMAND',
              'in a workspace: start keyhold agent',
            ]
          : token !== undefined
            ? ['KEYHOLD_TOKEN is a person’s; people read one value at a time, a project needs its access key']
            : []),
        'make an access key, keyhold access-key create, and set KEYHOLD_ACCESS_KEY_ID and KEYHOLD_ACCESS_KEY (or …_FILE)',
        'in CI and in Kubernetes no key is needed: keyhold workload-identity create',
        ...(isSignedIn ? [] : ['or use a project as the person who is signed in: keyhold run --project=…']),
      ],
    })
  }
  if (url === undefined)
    throw usageFailure('KEYHOLD_URL is not set', 'set it to the address of your Keyhold server')
  return { url: checkedUrl(url), accessKeyId, accessKey, environment }
}

/** Reads the variables. @throws Failure, naming variables and paths but never what is in them. */
export function readSettings(env: NodeJS.ProcessEnv): EnvironmentSettings {
  try {
    return environmentSettings(env)
  } catch (error) {
    if (error instanceof KeyholdError) throw new Failure(error.message)
    throw error
  }
}

/** Refuses a person's token beside an access key. @throws Failure */
export function assertOneCaller({ token, accessKeyId, accessKey }: EnvironmentSettings): void {
  if (token === undefined || (accessKeyId === undefined && accessKey === undefined)) return
  throw new Failure('both KEYHOLD_TOKEN and an access key are set, so it is not clear who calls', {
    hints: ['unset KEYHOLD_TOKEN, or KEYHOLD_ACCESS_KEY_ID and KEYHOLD_ACCESS_KEY'],
  })
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
