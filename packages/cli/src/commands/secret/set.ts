import type { SecretInfo, SecretType } from '@keyhold/contract/api/secrets'
import { nameWarning } from '@keyhold/contract/names'
import type { Keyhold } from '@keyhold/sdk'
import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { usageFailure } from '../../failure.ts'
import { environmentOption, sameEnvironment } from '../environment/find-environment.ts'
import { findProject, projectOption } from '../project/find-project.ts'
import { DEFAULT_ENVIRONMENT } from './find-secret.ts'
import { listSecrets } from './list-secrets.ts'
import {
  assertPersonal,
  assertProject,
  personalOption,
  personalSettings,
  setPersonalSecret,
} from './personal-secret.ts'
import { referenceOptions, referencesChange } from './references.ts'
import { readSecretValue, wireValue } from './secret-value.ts'
import { upkeepChange, upkeepOptions } from './upkeep.ts'

type Settings = { readonly description?: string } & ReturnType<typeof referencesChange> &
  ReturnType<typeof upkeepChange>

interface Change {
  readonly name: string
  readonly environment: string
  readonly bytes: Uint8Array
  readonly type: SecretType | undefined
  /** Type of a secret that does not exist yet. */
  readonly typeOfNew: SecretType
  readonly settings: Settings
}

export const command = defineCommand({
  usage: 'NAME [--environment=ENVIRONMENT | --personal] [--type=TYPE] [--file=PATH] [--description=TEXT]',
  description:
    'Creates the secret, or gives it a new value. The value comes from standard input, byte for byte, or from a prompt when that\n' +
    'is a terminal; never from an argument, which every process of the machine could read. An equal value changes nothing.\n\n' +
    `With --references the value may name other secrets of the project: \${NAME} is the one that the reader’s environment has,\n` +
    `\${staging.NAME} the one of staging, and $\${ is \${. A secret that was set with it keeps it until --no-references.\n\n` +
    'With --personal it is your own, for your workspaces: a new one goes into the variable of its name, unless --env-name or\n' +
    '--file-path say something else.',
  arguments: [{ name: 'NAME', summary: 'as the program will see it, such as GITHUB_TOKEN' }],
  options: {
    environment: environmentOption,
    project: projectOption,
    type: {
      type: 'string',
      placeholder: 'TYPE',
      summary: 'kind of value; a new secret is a token, or a file with --file',
      choices: ['token', 'password', 'key', 'file'],
    },
    file: { type: 'string', placeholder: 'PATH', summary: 'take the value from this file' },
    description: { type: 'string', placeholder: 'TEXT', summary: 'what the secret is for' },
    ...referenceOptions,
    ...upkeepOptions,
    personal: personalOption,
    ...personalSettings,
    json: jsonOption,
  },
  examples: [
    { does: 'type the value, unseen', command: 'keyhold secret set GITHUB_TOKEN' },
    {
      does: 'take it from another program, without a newline at its end',
      command: "pass show github | tr -d '\\n' | keyhold secret set GITHUB_TOKEN",
    },
    {
      does: 'store a key file for staging',
      command: 'keyhold secret set DEPLOY_KEY --type=key --file=id_ed25519 --environment=staging',
    },
    {
      does: 'make an address of other secrets',
      command: `printf %s 'postgres://shop:\${DB_PASSWORD}@db/shop' | keyhold secret set DATABASE_URL --references`,
    },
    {
      does: 'keep a token of your own, as a variable and a file in all your workspaces',
      command: "keyhold secret set GITHUB_TOKEN --personal --file-path='~/.config/gh/token'",
    },
  ],
  run: ({ options, args, env, terminal }) => {
    const [name = ''] = args
    if (options.personal) {
      assertPersonal(options, env)
      if (options.references || options['no-references'] || Object.keys(upkeepChange(options)).length > 0)
        throw usageFailure('secrets of your own have no references, note or period', 'leave out --personal')
      return connected(env, 'person', (keyhold) => setPersonalSecret(keyhold, terminal, name, options))
    }
    assertProject(options)
    return connected(env, 'any', async (keyhold) => {
      const type = options.type as SecretType | undefined // `as`: one of the choices.
      const change: Change = {
        name,
        environment: options.environment ?? keyhold.environment ?? DEFAULT_ENVIRONMENT,
        bytes: await readSecretValue(terminal, name, options.file),
        type,
        typeOfNew: type ?? (options.file === undefined ? 'token' : 'file'),
        settings: {
          ...(options.description !== undefined && { description: options.description }),
          ...referencesChange(options),
          ...upkeepChange(options),
        },
      }
      const { secret, did } = await set(keyhold, change, options.project)
      if (options.json) terminal.printJson(secret)
      else terminal.note(`${name} ${did} in ${secret.environment}, version ${secret.version}`)
      const warning = secret.nameWarning ?? nameWarning(name)
      if (warning !== undefined) terminal.note(`warning: ${warning}`)
      if (secret.isMasked === false) {
        terminal.note('warning: the value is short or an ordinary word, so it is not taken out of logs')
      }
    })
  },
})

async function set(
  keyhold: Keyhold,
  change: Change,
  project: string | undefined,
): Promise<{ secret: SecretInfo; did: string }> {
  const { name, environment, type, settings } = change
  const secrets = await listSecrets(keyhold, environment, project)
  const before = secrets.find((one) => one.name === name && sameEnvironment(one.environment, environment))
  const content = wireValue(change.bytes)
  const isMachine = keyhold.credentialKind === 'access-key'
  if (before === undefined) {
    const body = { name, environment, type: change.typeOfNew, ...content, ...settings }
    const secret = isMachine
      ? await keyhold.call('current.create', { body })
      : await keyhold.call('secret.create', { params: await inProject(keyhold, project), body })
    return { secret, did: 'created' }
  }
  // Somebody may have given it another value since it was looked at.
  const body = {
    ...content,
    ...(type !== undefined && { type }),
    ...settings,
    expectedVersion: before.version,
  }
  const secret = isMachine
    ? await keyhold.call('current.update', { params: { name }, query: { environment }, body })
    : await keyhold.call('secret.update', {
        params: { ...(await inProject(keyhold, project)), secretId: before.id },
        body,
      })
  const isSame = secret.version === before.version
  const isOtherwiseChanged = secret.updatedAt !== before.updatedAt
  return { secret, did: isSame ? (isOtherwiseChanged ? 'described' : 'unchanged') : 'updated' }
}

async function inProject(keyhold: Keyhold, project: string | undefined): Promise<{ projectId: string }> {
  return { projectId: (await findProject(keyhold, project)).id }
}
