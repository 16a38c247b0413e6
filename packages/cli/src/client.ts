import { Keyhold, KeyholdError, type KeyholdOptions, SecretNotFoundError } from '@keyhold/sdk'
import { withWorkloadKey } from './connection.ts'
import { findCredentials } from './credentials.ts'
import { ExitCode } from './exit-codes.ts'
import { Failure, kindOf } from './failure.ts'
import { version } from './version.ts'

/** How the command line names itself in the audit log. */
export const userAgent = `keyhold-cli/${version}`

/** A caller that a command is for. `any`: a person or a project access key. */
export type Caller = 'person' | 'any'

/**
 * Does a command's work with a client made from the environment or the stored credentials, and explains what fails.
 *
 * @throws Failure
 */
export async function connected<Result>(
  env: NodeJS.ProcessEnv,
  caller: Caller,
  work: (keyhold: Keyhold) => Promise<Result>,
  options: KeyholdOptions = {},
): Promise<Result> {
  return explained(async () => {
    const { connection, environment } = findCredentials(await withWorkloadKey(env))
    const keyhold = new Keyhold(connection, { userAgent, environment, ...options })
    if (caller === 'person' && keyhold.credentialKind === 'access-key') {
      throw new Failure('an access key cannot do this; it takes a person', {
        hints: [
          'unset KEYHOLD_ACCESS_KEY_ID and KEYHOLD_ACCESS_KEY; without "keyhold setup" on this machine, set KEYHOLD_TOKEN as well',
        ],
      })
    }
    return work(keyhold).catch((error: unknown) => {
      throw error instanceof KeyholdError ? failureOf(error, keyhold.url) : error
    })
  })
}

/** Turns the client's errors into what the command line says. @throws Failure */
export async function explained<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof KeyholdError) throw failureOf(error)
    throw error
  }
}

/** Says what failed, with its code, and the next step. @param url where Keyhold was looked for. */
export function failureOf(error: KeyholdError, url?: string): Failure {
  if (error instanceof SecretNotFoundError) {
    return secretNotFound(error.message, error.nearMatches, error.reasons)
  }
  const hints = fieldHints(error.errors)
  if (url !== undefined && /^network[.](unreachable|deadline)$/.test(error.code))
    hints.push(`its address here is ${url}`)
  const next = nextSteps[error.code]
  if (next !== undefined) hints.push(next)
  if (error.retryAfterSeconds !== undefined) hints.push(`try again in ${error.retryAfterSeconds} seconds`)
  if (error.traceId !== undefined && (error.status ?? 0) >= 500) {
    hints.push(`the server's log has more under trace ${error.traceId}`)
  }
  const message = error.message.startsWith('Keyhold')
    ? error.message
    : error.message.charAt(0).toLowerCase() + error.message.slice(1)
  return new Failure(`${message} (${error.code})`, {
    exitCode: error.status === 401 ? ExitCode.NotSignedIn : ExitCode.Failed,
    kind: /^(network|integrity)[.]/.test(error.code) ? 'unavailable' : kindOf(error.status ?? 0),
    hints,
  })
}

/** One for each field. Where a value may have several forms, the server says of each what it is not; that is one line here. */
function fieldHints(errors: KeyholdError['errors']): string[] {
  const several = errors
    .filter(({ message }) => /\b(?:anyOf|oneOf)\b/.test(message))
    .map(({ field }) => field)
  const isBelow = (field: string) => several.some((one) => field === one || field.startsWith(`${one}.`))
  return [
    ...[...new Set(several)].map((field) => `${field}: has none of the forms that it may have`),
    ...errors.filter(({ field }) => !isBelow(field)).map(({ field, message }) => `${field}: ${message}`),
  ]
}

/** The failure of a name that does not exist. @param message exactly `NAME not found` */
export function secretNotFound(
  message: string,
  nearMatches: readonly string[],
  reasons: readonly string[],
): Failure {
  return new Failure(message, {
    hints: [
      ...nearMatches.map((name) => `did you mean ${name}?`),
      ...reasons.map((reason) => `possible reason: ${reason}`),
      'the names that exist: keyhold secret list (secret.not_found)',
    ],
  })
}

/** What to do next, by error code. Codes whose title says it all are not here. */
const nextSteps: Partial<Record<string, string>> = {
  'access.address_refused':
    'an Admin or Regular member of the project can change the addresses: keyhold access-key edit',
  'access.refused':
    'ask an Admin of the project, or the owner of the workspace, to do it or to let you; of an access key, its permission counts',
  'access.scope_missing': 'make an access token with the scope: keyhold token create --scope=…',
  'access_key.limit': 'deactivate or delete one first: keyhold access-key list',
  'access_key.total_limit': 'delete one first: keyhold access-key list',
  'access_key.not_found': 'the access keys of the project: keyhold access-key list',
  'access_token.not_found': 'your access tokens: keyhold token list',
  'account.not_found': 'an administrator can add the account: keyhold account create',
  'account.password_change_required': 'sign in, and choose your own: keyhold login --password',
  'account.last_admin': 'make somebody else an administrator first',
  'agent.enrollment_invalid':
    'make a new one where you are signed in, it is good for an hour and once: keyhold workspace enroll WORKSPACE',
  'agent.not_connected': 'start it where the workspace is: keyhold agent',
  'agent.not_enrolled': 'let one join: keyhold workspace enroll WORKSPACE',
  'api_key.limit': 'delete one first: keyhold api-key list',
  'api_key.name_taken': 'your API keys: keyhold api-key list',
  'api_key.not_found': 'your API keys: keyhold api-key list',
  'audit.record_not_found': 'the records you can see, with their indexes: keyhold audit list --json',
  'audit.record_removed': 'what was removed, and when: keyhold audit list --action=audit.remove',
  'audit.unavailable': "the server's disk or database needs attention; nothing was delivered",
  'auth.required':
    'the credential is wrong, expired, deleted or inactive; "keyhold doctor" says which one is used',
  'configuration.invalid': 'see "keyhold doctor"',
  'device_login.access_denied': 'begin again: keyhold login',
  'device_login.expired_token': 'begin again: keyhold login',
  'device_login.not_found': 'compare it with what "keyhold login" printed; it is good for 10 minutes',
  'environment.changed': 'look again at what would change: keyhold environment restore … --dry-run',
  'environment.not_found': 'the environments of the project: keyhold environment list',
  'environment.name_taken': 'the environments of the project: keyhold environment list',
  'gpg_key.exists': 'your GPG keys: keyhold gpg-key list',
  'gpg_key.limit': 'delete one first: keyhold gpg-key list',
  'integrity.answer': 'check KEYHOLD_URL; a proxy or another program may be answering there',
  'invitation.exists': 'send it again: keyhold invitation resend EMAIL',
  'invitation.link_invalid': 'ask whoever invited you to send it again; or sign in, if you used it already',
  'member.last_admin': 'make somebody else an Admin of the project first',
  'member.not_found': 'the members of the project: keyhold member list',
  'network.deadline': 'is Keyhold running, and is KEYHOLD_URL right? see "keyhold doctor"',
  'network.redirected': 'set KEYHOLD_URL to the address it redirects to, if that is Keyhold',
  'network.unreachable': 'is Keyhold running, and is KEYHOLD_URL right? see "keyhold doctor"',
  'personal_secret.changed': 'look at it again: keyhold secret history NAME --personal',
  'personal_secret.limit': 'what you have: keyhold secret list --personal',
  'personal_secret.not_found': 'your personal secrets: keyhold secret list --personal',
  'personal_secret.taken': 'what you have: keyhold secret list --personal',
  'project.not_found': 'the projects you are a member of: keyhold project list',
  'audit_destination.exists': 'see how far it is: keyhold audit-destination list',
  'audit_destination.not_found': 'those that there are: keyhold audit-destination list',
  'reminder_webhook.not_found': 'set one: keyhold reminder-webhook set URL',
  'repository_connection.confirmation': 'begin again: keyhold repository connect HOST',
  'repository_connection.exists': 'change it: keyhold repository switch HOST --method=ssh',
  'repository_connection.no_token': 'authorize Keyhold there: keyhold repository connect HOST --method=oauth',
  'repository_connection.not_found': 'your connections: keyhold repository list',
  'repository_provider.exists': 'change it: keyhold repository-provider edit HOST',
  'repository_provider.no_client': 'use your SSH key: keyhold repository connect HOST --method=ssh',
  'repository_provider.not_found': 'those that are registered: keyhold repository-provider list',
  'second_factor.exists': 'to change to another authenticator: keyhold second-factor disable',
  'second_factor.not_found': 'turn it on: keyhold second-factor enable',
  'secret.changed': 'look at it again: keyhold secret history',
  'secret.version_not_found': 'the versions there are: keyhold secret history NAME',
  'setup.done': 'sign in: keyhold login',
  'setup.code_wrong': 'the server prints the code when it starts, until the instance is set up',
  'sign_in.failed':
    'the answer is the same for a disabled account; an administrator sees which it is: keyhold account list',
  'session.reauthentication_required': 'confirm your password in the web page, or use an access token',
  'ssh_identity.exists':
    'print it: keyhold identity show; make a new one in its place: keyhold identity generate --replace',
  'ssh_identity.not_found': 'make one: keyhold identity generate',
  'ssh_key.exists':
    'your SSH keys: keyhold ssh-key list; if it is not among them, another person has it: make a key of your own',
  'ssh_key.limit': 'remove one first: keyhold ssh-key list',
  'ssh_key.not_found': 'your SSH keys: keyhold ssh-key list',
  'template.name_taken': 'the templates that there are: keyhold template list',
  'workspace.name_taken': 'your workspaces: keyhold workspace list',
  'workload_identity.not_found': 'those of the project: keyhold workload-identity list',
  'storage.full': 'the server’s disk needs attention',
}
