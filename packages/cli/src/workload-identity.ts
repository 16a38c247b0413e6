// How a machine without a stored secret signs in: its platform gives it a token that says what it is, and Keyhold gives it
// an access key for that, which ends within the hour.
//
//   GitHub Actions   the token is asked for, with ACTIONS_ID_TOKEN_REQUEST_URL and ACTIONS_ID_TOKEN_REQUEST_TOKEN, which
//                    the runner sets for jobs with `permissions: id-token: write`
//   GitLab CI        KEYHOLD_ID_TOKEN, which the job declares under `id_tokens:`
//   Kubernetes       KEYHOLD_ID_TOKEN_FILE names the file of a projected service account token
import { readFileSync } from 'node:fs'
import { ExitCode } from './exit-codes.ts'
import { codeOf, Failure, kindOf } from './failure.ts'
import { type HttpResponse, httpFetch } from './http.ts'
import { visible } from './terminal.ts'

/** Exchanges the token of the platform. @returns variables of an access key. @throws Failure that quotes no token */
export async function exchangeIdentityToken(
  env: NodeJS.ProcessEnv,
  url: string,
): Promise<{ KEYHOLD_ACCESS_KEY_ID: string; KEYHOLD_ACCESS_KEY: string }> {
  const subjectToken = await platformToken(env, env.KEYHOLD_AUDIENCE || url)
  const response = await httpFetch(`${url}/api/v1/workload-identity/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ workloadIdentityId: env.KEYHOLD_WORKLOAD_IDENTITY, subjectToken }),
  })
  const { accessKeyId, accessKey, ...problem } = await fieldsOf(response)
  if (response.ok && accessKeyId !== undefined && accessKey !== undefined)
    return { KEYHOLD_ACCESS_KEY_ID: accessKeyId, KEYHOLD_ACCESS_KEY: accessKey }
  const isRefused = response.status === 401
  const reason = problem.detail ?? problem.title ?? `the server answered ${response.status}`
  throw new Failure(`not signed in by the token of this platform: ${visible(reason).slice(0, 500)}`, {
    exitCode: isRefused ? ExitCode.NotSignedIn : ExitCode.Failed,
    kind: kindOf(response.status),
    hints: [
      ...(isRefused ? ['a member of the project can see why: keyhold workload-identity test'] : []),
      ...(problem.code ? [visible(problem.code).slice(0, 100)] : []),
    ],
  })
}

/** The token that says what this machine is. @throws Failure */
export async function platformToken(env: NodeJS.ProcessEnv, audience: string): Promise<string> {
  const {
    KEYHOLD_ID_TOKEN: given,
    KEYHOLD_ID_TOKEN_FILE: path,
    ACTIONS_ID_TOKEN_REQUEST_URL: requestUrl,
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: requestToken,
  } = env
  if (given) return given.trim()
  if (path) return readToken(path)
  if (requestUrl && requestToken) return requestedToken(requestUrl, requestToken, audience)
  throw new Failure('KEYHOLD_WORKLOAD_IDENTITY is set, but there is no token of a platform', {
    exitCode: ExitCode.NotSignedIn,
    hints: [
      'GitHub Actions: give the job "permissions: id-token: write"',
      'GitLab CI: declare KEYHOLD_ID_TOKEN under "id_tokens:"',
      'Kubernetes: project a service account token, and set KEYHOLD_ID_TOKEN_FILE to its path',
    ],
  })
}

/** Asks the runner of GitHub Actions, as its documentation on OpenID Connect says. */
async function requestedToken(requestUrl: string, requestToken: string, audience: string): Promise<string> {
  if (!URL.canParse(requestUrl)) throw new Failure('ACTIONS_ID_TOKEN_REQUEST_URL is not an address')
  const url = new URL(requestUrl)
  url.searchParams.set('audience', audience)
  const response = await httpFetch(url, { headers: { authorization: `Bearer ${requestToken}` } })
  const { value } = await fieldsOf(response)
  if (!response.ok || value === undefined)
    throw new Failure(`GitHub Actions gave no token: ${url.host} answered ${response.status}`)
  return value
}

function readToken(path: string): string {
  let token: string
  try {
    token = readFileSync(path, 'utf8').trim()
  } catch (error) {
    throw new Failure(`KEYHOLD_ID_TOKEN_FILE: ${path} cannot be read (${codeOf(error)})`)
  }
  if (token === '') throw new Failure(`KEYHOLD_ID_TOKEN_FILE: ${path} is empty`)
  return token
}

/** The texts of an answer, believing nothing of it. */
async function fieldsOf(response: HttpResponse): Promise<Record<string, string | undefined>> {
  try {
    const answer = await response.json()
    const entries = Object.entries(typeof answer === 'object' && answer !== null ? answer : {})
    return Object.fromEntries(entries.filter(([, value]) => typeof value === 'string' && value !== ''))
  } catch {
    // The error quotes the answer.
    return {}
  }
}
