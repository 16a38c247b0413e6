import { readFileSync } from 'node:fs'
import type { SecretType } from '@keyhold/contract/api/secrets'
import { limits } from '@keyhold/contract/limits'
import { KeyholdError } from '@keyhold/sdk'
import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { codeOf, Failure } from '../../failure.ts'
import { environmentOption, sameEnvironment } from '../environment/find-environment.ts'
import { findProject, projectOption } from '../project/find-project.ts'
import { DEFAULT_ENVIRONMENT } from './find-secret.ts'
import { referenceOptions } from './references.ts'
import { type Format, formatOf, readSecretFile } from './secret-file.ts'

const formats = ['env', 'json', 'yaml'] as const
const existingChoices = ['refuse', 'skip', 'replace'] as const

export const command = defineCommand({
  usage:
    'FILE [--environment=ENVIRONMENT] [--existing=HOW] [--format=FORMAT] [--type=TYPE] [--dry-run] [--json]',
  description: `Stores all secrets of a .env, JSON or YAML file, or none: what is wrong is said for every line before anything is
changed. JSON and YAML are one mapping of names to texts. Values are stored as the file has them; \${NAME} in a value is kept,
and with --references stands for the secret of that name. Delete the file afterwards, or leave it out of version control.`,
  arguments: [{ name: 'FILE', summary: '- is standard input' }],
  options: {
    environment: environmentOption,
    project: projectOption,
    existing: {
      type: 'string',
      placeholder: 'HOW',
      choices: existingChoices,
      summary: 'names that are there already: refuse the file (default), skip them, or replace their values',
    },
    format: {
      type: 'string',
      placeholder: 'FORMAT',
      choices: formats,
      summary: 'default: by the ending of FILE, else env',
    },
    type: {
      type: 'string',
      placeholder: 'TYPE',
      choices: ['token', 'password'],
      summary: 'kind of the new ones; default: token',
    },
    references: referenceOptions.references,
    'dry-run': { type: 'boolean', summary: 'say what would be done, and do nothing' },
    json: jsonOption,
  },
  examples: [
    { does: 'take over a .env file', command: 'keyhold secret import .env --environment=staging' },
    {
      does: 'see first what it would change',
      command: 'keyhold secret import .env --existing=replace --dry-run',
    },
    {
      does: 'take over what another program exports',
      command: 'heroku config --json | keyhold secret import - --format=json',
    },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [path = ''] = args
      // `as`: each is one of the choices.
      const format = (options.format as Format | undefined) ?? formatOf(path)
      const existing = (options.existing as (typeof existingChoices)[number] | undefined) ?? 'refuse'
      const type = options.type as SecretType | undefined
      const text = readText(path)
      const { entries, problems } = readSecretFile(text, format)
      if (problems.length > 0) throw wrongLines(problems)
      if (entries.length === 0) throw new Failure('the file has no secrets; nothing was changed')
      if (entries.length > limits.secretsPerImport)
        throw new Failure(
          `the file has ${entries.length} secrets, and ${limits.secretsPerImport} is the most`,
        )
      const environment = options.environment ?? keyhold.environment ?? DEFAULT_ENVIRONMENT
      const { id: projectId } = await findProject(keyhold, options.project)

      const listed = await keyhold.call('secret.list', { params: { projectId }, query: { environment } })
      const there = new Set(
        listed.secrets.filter((one) => sameEnvironment(one.environment, environment)).map(({ name }) => name),
      )
      if (options['dry-run']) {
        const plan = entries.map(({ name }) => ({
          name,
          does: !there.has(name) ? 'create' : existing === 'replace' ? 'replace' : existing,
        }))
        if (options.json) return terminal.printJson(plan)
        terminal.printTable(
          ['NAME', 'WOULD'],
          plan.map(({ name, does }) => [name, does]),
        )
        return
      }
      const secrets = entries.map(({ name, value }) => ({
        name,
        value,
        // What is there keeps its type.
        ...(type !== undefined && !there.has(name) && { type }),
        ...(options.references && { hasReferences: true }),
      }))
      const body = { environment, existing, secrets }
      const result = await keyhold
        .call('secret.import', { params: { projectId }, body })
        .catch((error: unknown) => {
          if (!(error instanceof KeyholdError) || error.errors.length === 0) throw error
          const problems = error.errors.map(({ field, message }) => atLine(entries, field, message))
          const next = 'for those that are there already: --existing=skip or --existing=replace'
          throw wrongLines(problems, error.code === 'secret.exists' ? [next] : [])
        })
      if (options.json) return terminal.printJson(result)
      const { created, updated, unchanged } = result
      terminal.note(
        `${environment}: ${created.length} created, ${updated.length} updated, ${unchanged.length} left as they were`,
      )
    }),
})

function wrongLines(
  problems: readonly { line: number; problem: string }[],
  next: readonly string[] = [],
): Failure {
  return new Failure('nothing was changed, because of these lines', {
    hints: [...problems.map(({ line, problem }) => `line ${line}: ${problem}`), ...next],
  })
}

/** `secrets[2].name` is the third entry of the file. */
function atLine(entries: readonly { name: string; line: number }[], field: string, message: string) {
  const entry = entries[Number(/^secrets\[(\d+)\]/.exec(field)?.[1] ?? -1)]
  return { line: entry?.line ?? 0, problem: entry ? `${entry.name} ${message}` : `${field} ${message}` }
}

function readText(path: string): string {
  let bytes: Buffer
  try {
    bytes = readFileSync(path === '-' ? 0 : path)
  } catch (error) {
    throw new Failure(`${path} cannot be read (${codeOf(error)})`)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new Failure(`${path} is not UTF-8 text`)
  }
}
