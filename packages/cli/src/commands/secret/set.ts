import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import type { SecretInfo, SecretType } from '@keyhold/contract/api/secrets'
import { limits } from '@keyhold/contract/limits'
import { nameWarning } from '@keyhold/contract/names'
import type { Keyhold } from '@keyhold/sdk'
import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { Failure } from '../../failure.ts'
import type { Terminal } from '../../terminal.ts'
import { environmentOption, sameEnvironment } from '../environment/find-environment.ts'
import { findProject, projectOption } from '../project/find-project.ts'
import { DEFAULT_ENVIRONMENT } from './find-secret.ts'
import { listSecrets } from './list-secrets.ts'

interface Change {
  readonly name: string
  readonly environment: string
  readonly bytes: Uint8Array
  readonly type: SecretType | undefined
  /** Type of a secret that does not exist yet. */
  readonly typeOfNew: SecretType
  readonly description: string | undefined
}

export const command = defineCommand({
  usage: 'NAME [--environment=ENVIRONMENT] [--type=TYPE] [--file=PATH] [--description=TEXT]',
  description:
    'Creates the secret, or gives it a new value. The value comes from standard input, byte for byte, or from a prompt when that\n' +
    'is a terminal; never from an argument, which every process of the machine could read. An equal value changes nothing.',
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
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'any', async (keyhold) => {
      const [name = ''] = args
      const type = options.type as SecretType | undefined // `as`: one of the choices.
      const change: Change = {
        name,
        environment: options.environment ?? keyhold.environment ?? DEFAULT_ENVIRONMENT,
        bytes: await valueBytes(terminal, name, options.file),
        type,
        typeOfNew: type ?? (options.file === undefined ? 'token' : 'file'),
        description: options.description,
      }
      const { secret, did } = await set(keyhold, change, options.project)
      if (options.json) terminal.printJson(secret)
      else terminal.note(`${name} ${did} in ${secret.environment}, version ${secret.version}`)
      const warning = secret.nameWarning ?? nameWarning(name)
      if (warning !== undefined) terminal.note(`warning: ${warning}`)
      if (secret.isMasked === false) {
        terminal.note('warning: the value is short or an ordinary word, so it is not taken out of logs')
      }
    }),
})

async function set(
  keyhold: Keyhold,
  change: Change,
  project: string | undefined,
): Promise<{ secret: SecretInfo; did: string }> {
  const { name, environment, type, description } = change
  const secrets = await listSecrets(keyhold, environment, project)
  const before = secrets.find((one) => one.name === name && sameEnvironment(one.environment, environment))
  const content = wireValue(change.bytes)
  const described = description === undefined ? {} : { description }
  const isMachine = keyhold.credentialKind === 'access-key'
  if (before === undefined) {
    const body = { name, environment, type: change.typeOfNew, ...content, ...described }
    const secret = isMachine
      ? await keyhold.call('current.create', { body })
      : await keyhold.call('secret.create', { params: await inProject(keyhold, project), body })
    return { secret, did: 'created' }
  }
  // Somebody may have given it another value since it was looked at.
  const body = {
    ...content,
    ...(type !== undefined && { type }),
    ...described,
    expectedVersion: before.version,
  }
  const secret = isMachine
    ? await keyhold.call('current.update', { params: { name }, query: { environment }, body })
    : await keyhold.call('secret.update', {
        params: { ...(await inProject(keyhold, project)), secretId: before.id },
        body,
      })
  const isSame = secret.version === before.version
  const isOtherwiseChanged = secret.type !== before.type || secret.description !== before.description
  return { secret, did: isSame ? (isOtherwiseChanged ? 'described' : 'unchanged') : 'updated' }
}

async function inProject(keyhold: Keyhold, project: string | undefined): Promise<{ projectId: string }> {
  return { projectId: (await findProject(keyhold, project)).id }
}

async function valueBytes(terminal: Terminal, name: string, path: string | undefined): Promise<Uint8Array> {
  if (path !== undefined) return fileBytes(path)
  const bytes = await terminal.readValue(`value of ${name}:`)
  if (bytes.length === 0) {
    throw new Failure('there is no value: standard input is empty', {
      hints: ['nothing was changed; did the program before the pipe fail?'],
    })
  }
  if (bytes.at(-1) === 0x0a && !bytes.subarray(0, -1).includes(0x0a)) {
    terminal.note('the value ends with a newline, which is kept')
    terminal.hint("leave it out with printf, or | tr -d '\\n'")
  }
  return bytes
}

function fileBytes(path: string): Uint8Array {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch (error) {
    throw new Failure(`${path} cannot be read (${codeOf(error)})`)
  }
  try {
    if (fstatSync(file).size > limits.fileValueBytes) {
      throw new Failure(`${path} is longer than ${limits.fileValueBytes} bytes`)
    }
    return readFileSync(file)
  } catch (error) {
    if (error instanceof Failure) throw error
    throw new Failure(`${path} cannot be read (${codeOf(error)})`)
  } finally {
    closeSync(file)
  }
}

/** As the API carries values: text where it is text, and base64 where it is not. */
function wireValue(bytes: Uint8Array): { value: string; encoding: 'utf8' | 'base64' } {
  try {
    const value = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    return { value, encoding: 'utf8' }
  } catch {
    return { value: Buffer.from(bytes).toString('base64'), encoding: 'base64' }
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
}
