import type { PersonalSecret } from '@keyhold/contract/api/personal-secrets'
import type { SecretType } from '@keyhold/contract/api/secrets'
import { nearMatches, refusedName } from '@keyhold/contract/names'
import type { Keyhold } from '@keyhold/sdk'
import type { OptionValues } from '../../command.ts'
import { Failure, usageFailure } from '../../failure.ts'
import type { Terminal } from '../../terminal.ts'
import { findWorkspace } from '../workspace/find-workspace.ts'
import { shownPlaces, targetChange, targetOptions } from './secret-target.ts'
import { readSecretValue, wireValue } from './secret-value.ts'

export const personalOption = {
  type: 'boolean',
  summary: 'a secret of your own, for your workspaces, and of no project',
} as const

/** Where a personal secret goes. */
export const personalSettings = {
  ...targetOptions('with --personal: '),
  'all-workspaces': { type: 'boolean', summary: 'with --personal: for all of your workspaces, the default' },
  workspace: {
    type: 'string',
    placeholder: 'WORKSPACE',
    summary: 'with --personal: for these workspaces only, by name or id',
    isRepeatable: true,
  },
} as const

type Settings = OptionValues<typeof personalSettings>

/** What a project's secret is asked for by. */
interface ProjectOptions {
  readonly project?: string | undefined
  readonly environment?: string | undefined
}

/** Refuses what only secrets of projects have. What a variable of the shell says is not meant for this command. */
export function assertPersonal(options: ProjectOptions, env: NodeJS.ProcessEnv): void {
  const isGiven = (option: 'project' | 'environment', variable: string) =>
    options[option] !== undefined && options[option] !== env[variable]
  if (isGiven('project', 'KEYHOLD_PROJECT') || isGiven('environment', 'KEYHOLD_ENVIRONMENT'))
    throw usageFailure(
      '--personal is a secret of yours, not one of a project',
      'leave out --project and --environment',
    )
}

/** Refuses what only personal secrets have. */
export function assertProject(options: Settings): void {
  const names = Object.keys(personalSettings) as (keyof Settings)[] // `as`: the keys of a literal.
  const given = names.find((name) => {
    const value = options[name]
    return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false
  })
  if (given) throw usageFailure(`--${given} is for your own secrets`, 'add --personal')
}

/** Finds one of the person's secrets by name or id. @throws Failure, KeyholdError */
export async function findPersonalSecret(keyhold: Keyhold, wanted: string): Promise<PersonalSecret> {
  const secret = await lookForPersonalSecret(keyhold, wanted)
  if (secret.found) return secret.found
  const near = nearMatches(wanted, secret.names)
  throw new Failure('personal secret not found (personal_secret.not_found)', {
    hints: [
      ...near.map((name) => `did you mean ${name}?`),
      'your personal secrets: keyhold secret list --personal',
    ],
  })
}

async function lookForPersonalSecret(keyhold: Keyhold, wanted: string) {
  const { personalSecrets } = await keyhold.call('personal-secret.list')
  const found =
    personalSecrets.find(({ id }) => id === wanted) ??
    personalSecrets.find(({ name }) => name === wanted) ??
    // As the server compares them.
    personalSecrets.find(({ name }) => folded(name) === folded(wanted))
  return { found, names: personalSecrets.map(({ name }) => name) }
}

const folded = (name: string): string => name.trim().normalize('NFKC').toLowerCase()

/** The settings as the API takes them: only those that were given. */
export function personalChange(options: Settings) {
  const { workspace } = options
  if (options['all-workspaces'] && workspace.length > 0)
    throw usageFailure('--all-workspaces and --workspace exclude each other')
  return {
    ...targetChange(options),
    ...(options['all-workspaces'] && { workspaces: 'all' as const }),
    ...(workspace.length > 0 && { workspaces: [...new Set(workspace)] }),
  }
}

/** The same with the ids of the workspaces that are named. @throws Failure, KeyholdError */
export async function withWorkspaceIds<Change extends ReturnType<typeof personalChange>>(
  keyhold: Keyhold,
  change: Change,
): Promise<Change> {
  const { workspaces } = change
  if (workspaces === undefined || workspaces === 'all') return change
  const ids = []
  // An id is one also of a workspace that is shared later.
  for (const one of workspaces)
    ids.push(/^ws-[a-z0-9]{8,}$/.test(one) ? one : (await findWorkspace(keyhold, one)).id)
  return { ...change, workspaces: ids }
}

interface SetOptions extends Settings {
  readonly type: string | undefined
  readonly file: string | undefined
  readonly description: string | undefined
  readonly json: boolean
}

/** Creates a secret of the person, or gives it a new value, and says what it did. */
export async function setPersonalSecret(
  keyhold: Keyhold,
  terminal: Terminal,
  name: string,
  options: SetOptions,
): Promise<void> {
  const given = await withWorkspaceIds(keyhold, personalChange(options))
  const { type, description, file } = options
  const { found: before } = await lookForPersonalSecret(keyhold, name)
  // Before the value is asked for.
  const place = before === undefined ? target(name, given) : {}
  const content = wireValue(await readSecretValue(terminal, name, file))
  const change = {
    ...content,
    ...(type !== undefined && { type: type as SecretType }), // `as`: one of the choices.
    ...(description !== undefined && { description }),
    ...given,
  }
  const secret = before
    ? await keyhold.call('personal-secret.update', {
        params: { personalSecretId: before.id },
        // Somebody may have given it another value since it was looked at.
        body: { ...change, expectedVersion: before.version },
      })
    : await keyhold.call('personal-secret.create', {
        body: { name, type: file === undefined ? 'token' : 'file', ...place, ...change },
      })
  if (options.json) terminal.printJson(secret)
  else {
    const isSame = before?.version === secret.version
    const did = before === undefined ? 'created' : isSame ? 'unchanged' : 'updated'
    terminal.note(`your secret ${secret.name} ${did}, version ${secret.version}; ${shownTarget(secret)}`)
  }
  if (secret.nameWarning !== null) terminal.note(`warning: ${secret.nameWarning}`)
  if (!secret.isMasked)
    terminal.note('warning: the value is short or an ordinary word, so it is not taken out of logs')
}

/** Where a new secret goes that names no place: into the variable of its name. */
function target(name: string, given: ReturnType<typeof personalChange>): { envName?: string } {
  const isPlaced = 'envName' in given || 'filePath' in given || given.isEnabled === false
  if (isPlaced) return {}
  if (refusedName(name) === undefined) return { envName: name }
  throw usageFailure(
    'where should the secret go? its name cannot be a variable',
    'give --env-name or --file-path, or --disable to keep it only',
  )
}

/** Says where a secret is delivered to. */
export function shownTarget(secret: PersonalSecret): string {
  return secret.isEnabled ? `${shownPlaces(secret)} in ${shownWorkspaces(secret)}` : shownPlaces(secret)
}

export const shownWorkspaces = ({ workspaces }: PersonalSecret): string =>
  workspaces === 'all' ? 'all workspaces' : workspaces.join(', ')
