import { setTimeout as sleep } from 'node:timers/promises'
import { actions, outcomes } from '@keyhold/contract/actions'
import type { CallInput, Keyhold } from '@keyhold/sdk'
import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { Failure, usageFailure } from '../../failure.ts'
import { parsedTime, sayEmpty } from '../../present.ts'
import type { Terminal } from '../../terminal.ts'
import { findProject } from '../project/find-project.ts'
import { findWorkspace } from '../workspace/find-workspace.ts'

const PAGE_MAX = 500
/** How often is asked for what has come. */
const FOLLOW_MS = 2_000

type Filters = NonNullable<CallInput<'audit.list'>['query']>

export const command = defineCommand({
  usage:
    '[--person=PERSON] [--secret=NAME] [--action=ACTION] [--project=PROJECT] [--workspace=WORKSPACE] [--outcome=OUTCOME] [--follow] [--json]',
  description:
    'Newest first, one line each, times in UTC. Administrators see all of the log, others what they did, and what happened in the\n' +
    'projects and workspaces they are Admin of. With --json it prints one JSON object per line, with who, from where and how.',
  options: {
    person: {
      type: 'string',
      placeholder: 'PERSON',
      summary: 'what this person did: e-mail address or account id',
    },
    'access-key': { type: 'string', placeholder: 'ID', summary: 'what was done with this access key' },
    secret: { type: 'string', placeholder: 'NAME', summary: 'what was done to secrets of this name' },
    action: { type: 'string', placeholder: 'ACTION', summary: 'only this action, such as secret.read' },
    project: { type: 'string', short: 'p', placeholder: 'PROJECT', summary: 'only this project: name or id' },
    workspace: {
      type: 'string',
      short: 'w',
      placeholder: 'WORKSPACE',
      summary: 'what happened in this workspace: name or id',
    },
    outcome: { type: 'string', placeholder: 'OUTCOME', summary: 'how it ended', choices: outcomes },
    from: {
      type: 'string',
      placeholder: 'WHEN',
      summary: 'not before: 7d, 12h, 2026-01-31 or 2026-01-31T18:00',
    },
    to: { type: 'string', placeholder: 'WHEN', summary: 'before, written as for --from' },
    limit: { type: 'string', short: 'n', placeholder: 'COUNT', summary: 'at most this many; default 50' },
    follow: {
      type: 'boolean',
      short: 'f',
      summary: 'go on with what comes, oldest first; default of --limit is then 10',
    },
    json: { type: 'boolean', summary: 'print JSON, one object per line' },
  },
  examples: [
    {
      does: 'who read a secret in the last week',
      command: 'keyhold audit list --secret=GITHUB_TOKEN --action=secret.read --from=7d --json',
    },
    { does: 'what was refused', command: 'keyhold audit list --outcome=refused' },
    { does: 'watch what is refused', command: 'keyhold audit list --outcome=refused --follow' },
  ],
  run: ({ options, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { person, 'access-key': accessKey, secret, action, outcome, from, to } = options
      if (action !== undefined && !Object.hasOwn(actions, action)) {
        throw usageFailure(`--action is one of ${Object.keys(actions).join(', ')}`)
      }
      if (options.limit !== undefined && !/^[1-9]\d{0,6}$/.test(options.limit)) {
        throw usageFailure('--limit is not a number from 1')
      }
      const project =
        options.project === undefined ? undefined : (await findProject(keyhold, options.project)).id
      const workspace =
        options.workspace === undefined ? undefined : await workspaceId(keyhold, options.workspace)
      const filters = {
        ...(person !== undefined && { person }),
        ...(accessKey !== undefined && { accessKey }),
        ...(secret !== undefined && { secret }),
        ...(action !== undefined && { action }),
        ...(project !== undefined && { project }),
        ...(workspace !== undefined && { workspace }),
        ...(outcome !== undefined && { outcome }),
        ...(from !== undefined && { from: parsedTime(from, 'from', -1) }),
        ...(to !== undefined && { to: parsedTime(to, 'to', -1) }),
      } as Filters // `as`: action and outcome were checked.
      if (options.follow) return follow(keyhold, terminal, filters, options)
      let printed = 0
      let begin = 0
      const reached = (index: number) => {
        begin = index
      }
      for await (const record of newest(keyhold, filters, Number(options.limit ?? 50), reached)) {
        terminal.print(options.json ? JSON.stringify(record) : record.line)
        printed += 1
      }
      if (printed === 0 && !options.json) sayEmpty(terminal, 'the audit log has nothing that matches')
      // Otherwise it looks as if nothing had happened before.
      if (begin > 0 && !options.json)
        terminal.note(`the log begins with record ${begin}: older ones were removed, as the settings say`)
    }),
})

/** An id is taken as it is: administrators see records of workspaces that are not theirs, and of deleted ones. */
async function workspaceId(keyhold: Keyhold, nameOrId: string): Promise<string> {
  return /^ws-[a-z0-9]{12}$/.test(nameOrId) ? nameOrId : (await findWorkspace(keyhold, nameOrId)).id
}

/**
 * Newest first. Pages may be short, or empty, before the end: a search of a large log is answered in parts.
 * @param reached is told where the log begins, when all of it was looked through.
 */
async function* newest(
  keyhold: Keyhold,
  filters: Filters,
  limit: number,
  reached: (begin: number) => void = () => {},
) {
  let wanted = limit
  let cursor = filters.cursor
  while (wanted > 0) {
    const { records, nextCursor, begin } = await keyhold.call('audit.list', {
      query: { ...filters, limit: Math.min(wanted, PAGE_MAX), ...(cursor !== undefined && { cursor }) },
    })
    yield* records
    wanted -= records.length
    if (nextCursor === null) return reached(begin)
    cursor = nextCursor
  }
}

/** The last records and then each that comes, in the order of the log, until the command is stopped. */
async function follow(
  keyhold: Keyhold,
  terminal: Terminal,
  filters: Filters,
  options: { readonly json: boolean | undefined; readonly limit: string | undefined },
): Promise<never> {
  let size = 0
  let limit = Number(options.limit ?? 10)
  for (;;) {
    const { checkpoint } = await keyhold.call('audit.checkpoint')
    // Origin, size, root: the form of checkpoints.
    const grown = Number(checkpoint.split('\n')[1])
    if (grown < size) throw new Failure('the log was set back: it is shorter than it was before')
    const records = []
    if (grown > size)
      for await (const record of newest(keyhold, { ...filters, start: size, cursor: grown }, limit))
        records.push(record)
    for (const record of records.reverse())
      terminal.print(options.json ? JSON.stringify(record) : record.line)
    size = grown
    limit = Number.POSITIVE_INFINITY
    await sleep(FOLLOW_MS)
  }
}
