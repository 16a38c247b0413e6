import { Keyhold, KeyholdError } from '@keyhold/sdk'
import { failureOf, userAgent } from '../client.ts'
import { defineCommand, jsonOption } from '../command.ts'
import { withWorkloadKey } from '../connection.ts'
import { credentialsPath, type FoundCredentials, findCredentials, storedMode } from '../credentials.ts'
import { ExitCode } from '../exit-codes.ts'
import { Failure } from '../failure.ts'
import type { Finding } from '../finding.ts'
import { version } from '../version.ts'
import { shownPermission } from './access-key/access-key-options.ts'
import { environmentOption } from './environment/find-environment.ts'
import { findProject, projectOption, shownRole } from './project/find-project.ts'

/** Signatures, expiry and one-time codes go wrong beyond this. */
const CLOCK_DIFFERENCE_SECONDS_MAX = 30

export const command = defineCommand({
  usage: '[--project=PROJECT] [--environment=ENVIRONMENT] [--json]',
  description:
    'Looks for what keeps the other commands from working; in a workspace, also at its agent, its secrets, files and SSH. It reads no values. Exit code 1 when something fails.',
  options: { project: projectOption, environment: environmentOption, json: jsonOption },
  examples: [{ does: 'find out why a command fails', command: 'keyhold doctor' }],
  async run({ options, env, terminal }) {
    const findings: Finding[] = []
    for await (const finding of examine(env, options.project, options.environment)) {
      findings.push(finding)
      if (options.json) continue
      const next = finding.hint === undefined ? '' : ` — ${finding.hint}`
      terminal.print(`${finding.status.padEnd(4)}  ${finding.check.padEnd(12)}  ${finding.message}${next}`)
    }
    if (options.json) terminal.printJson(findings)
    return findings.some(({ status }) => status === 'fail') ? ExitCode.Failed : ExitCode.Ok
  },
})

async function* examine(
  env: NodeJS.ProcessEnv,
  project: string | undefined,
  environment: string | undefined,
): AsyncGenerator<Finding, void> {
  yield { check: 'version', status: 'ok', message: `keyhold ${version}, Node ${process.versions.node}` }
  yield configFile(env)
  const { isInWorkspace } = await import('../run/agent-socket.ts')
  const isWorkspace = isInWorkspace(env)
  if (isWorkspace) {
    yield* (await import('../agent/examine-workspace.ts')).examineWorkspace(env)
    yield* (await import('../agent/examine-git.ts')).examineGit(env)
  }

  let found: FoundCredentials
  let keyhold: Keyhold
  let serverTime: number | undefined
  try {
    found = findCredentials(await withWorkloadKey(env))
    keyhold = new Keyhold(found.connection, {
      userAgent,
      environment: environment ?? found.environment,
      fetch: async (url, init) => {
        const response = await fetch(url, init)
        serverTime = Date.parse(response.headers.get('date') ?? '') || undefined
        return response
      },
    })
  } catch (error) {
    const isMissing = error instanceof Failure && error.exitCode === ExitCode.NotSignedIn
    yield isWorkspace && isMissing
      ? { check: 'credential', status: 'ok', message: 'none of a person or machine: the agent has its own' }
      : failed('credential', error)
    return
  }
  const kind = { 'access-key': 'access key', token: 'access token', none: 'none' }[keyhold.credentialKind]
  yield { check: 'credential', status: 'ok', message: `${kind}, from ${found.source}` }

  try {
    const { isDone } = await keyhold.call('setup.get')
    yield isDone
      ? { check: 'server', status: 'ok', message: `${keyhold.url} answers` }
      : {
          check: 'server',
          status: 'fail',
          message: `${keyhold.url} answers, but is not set up`,
          hint: 'keyhold setup --email=… --name=…',
        }
  } catch (error) {
    yield failed('server', error)
    return
  }
  if (serverTime !== undefined) yield clock(Math.round((Date.now() - serverTime) / 1_000))

  if (keyhold.credentialKind === 'access-key') yield* examineMachine(keyhold)
  else yield* examinePerson(keyhold, project)
}

async function* examineMachine(keyhold: Keyhold): AsyncGenerator<Finding, void> {
  try {
    const { project, permission, accessKeyId } = await keyhold.project()
    yield { check: 'access', status: 'ok', message: `access key ${accessKeyId} is valid` }
    yield { check: 'project', status: 'ok', message: `${project.name} (${project.id})` }
    yield { check: 'permission', status: 'ok', message: shownPermission[permission] }
    const { environments } = await keyhold.call('current.environments')
    yield environmentFinding(
      keyhold.environment,
      environments.map(({ name }) => name),
    )
  } catch (error) {
    yield failed('access', error)
  }
}

async function* examinePerson(keyhold: Keyhold, wanted: string | undefined): AsyncGenerator<Finding, void> {
  try {
    const { account, expiresAt } = await keyhold.call('session.get')
    const until = expiresAt === null ? '' : `, until ${expiresAt.slice(0, 10)}`
    yield {
      check: 'access',
      status: 'ok',
      message: `${account.name} (${account.email}), ${account.role}${until}`,
    }
  } catch (error) {
    yield failed('access', error)
    return
  }
  let projectId: string
  try {
    const project = await findProject(keyhold, wanted)
    projectId = project.id
    yield { check: 'project', status: 'ok', message: `${project.name} (${project.id})` }
    yield { check: 'permission', status: 'ok', message: shownRole[project.role] }
  } catch (error) {
    // Which project is a question of each command; only one that was named has to exist.
    yield { ...failed('project', error), ...(wanted === undefined && { status: 'warn' as const }) }
    return
  }
  try {
    const { environments } = await keyhold.call('environment.list', { params: { projectId } })
    yield environmentFinding(
      keyhold.environment,
      environments.map(({ name }) => name),
    )
  } catch (error) {
    yield failed('environment', error)
  }
}

function configFile(env: NodeJS.ProcessEnv): Finding {
  const check = 'config file'
  let path: string
  try {
    path = credentialsPath(env)
  } catch (error) {
    return { ...failed(check, error), status: 'warn' }
  }
  const mode = storedMode(env)
  if (mode === undefined) return { check, status: 'ok', message: `${path} does not exist` }
  if ((mode & 0o077) === 0) return { check, status: 'ok', message: `${path}, mode ${mode.toString(8)}` }
  return {
    check,
    status: 'fail',
    message: `${path} can be read by others (mode ${mode.toString(8)})`,
    hint: `chmod 600 ${path}, and delete the access token in it`,
  }
}

function clock(aheadSeconds: number): Finding {
  const difference = Math.abs(aheadSeconds)
  const check = 'clock'
  // A header has whole seconds, and the answer took its time.
  if (difference <= 2) return { check, status: 'ok', message: "agrees with the server's" }
  return {
    check,
    status: difference <= CLOCK_DIFFERENCE_SECONDS_MAX ? 'ok' : 'warn',
    message: `${difference} s ${aheadSeconds > 0 ? 'ahead of' : 'behind'} the server's`,
    hint:
      difference <= CLOCK_DIFFERENCE_SECONDS_MAX
        ? undefined
        : 'set the clock of this machine, or of the server',
  }
}

function environmentFinding(wanted: string | undefined, names: readonly string[]): Finding {
  const check = 'environment'
  if (wanted === undefined) return { check, status: 'ok', message: 'All' }
  if (names.includes(wanted)) return { check, status: 'ok', message: wanted }
  return {
    check,
    status: 'fail',
    message: `the project has no environment ${wanted}`,
    hint: `it has ${names.slice(0, 10).join(', ')}`,
  }
}

function failed(check: string, error: unknown): Finding {
  const failure = error instanceof KeyholdError ? failureOf(error) : error
  if (!(failure instanceof Failure)) throw error
  return { check, status: 'fail', message: failure.message, hint: failure.hints[0] }
}
