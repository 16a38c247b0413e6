import { defineCommand } from '../command.ts'
import { hasAccessKey, type MachineConnection, machineConnection, withWorkloadKey } from '../connection.ts'
import { usageFailure } from '../failure.ts'
import { checkCommand } from '../run/command-path.ts'
import { type Delivery, fetchDelivery } from '../run/delivery.ts'
import type { RunRequest } from '../run/run.ts'
import { machineSender, personSender, workspaceSender } from '../run/use-sender.ts'

export const command = defineCommand({
  usage: '[OPTIONS] -- COMMAND [ARGUMENT…]',
  description: `Fetches the secrets of one project and environment with a project access key, and starts COMMAND with them as
environment variables: no shell, every argument as it is. A secret of type file is written to a file that only you can
read, in memory where the system can, and the variable holds its path; for a key there is the value in NAME and a
path in NAME_FILE. The files go when COMMAND ends.

What COMMAND prints is searched for the values, and they are left out. This stops accidents, not a program that means to
show them. COMMAND has a terminal where keyhold has one, and exits as itself: with its code, or 128 and the number of the
signal that ended it; 127 when it is not found, 126 when it cannot be executed. A pager at the end of a pipeline needs the
pipeline inside, or --no-mask.

With --max-age a copy of the secrets is kept, encrypted and bound to this machine and to the credential, and is used when
Keyhold cannot be reached or does not answer within two seconds. What Keyhold refuses is refused, and deletes the copy.

Where COMMAND is a Node or Python program, or starts one, the audit log gets the lines that read a secret, as in "Secret used:
GITHUB_TOKEN (app.js:12)"; of other programs their name. Values are never looked at. For this a file is put in NODE_OPTIONS
and a folder in PYTHONPATH. With --project and in a workspace it is done unless you say --no-record-use; for machines with --record-use.

With --watch the server says when values change, and COMMAND is started again: SIGTERM, and SIGKILL after --grace. Changes that
come together are one. While the server cannot be reached, or no longer accepts who asks, COMMAND goes on with what it
has, and keyhold says so once. With --max-age the first start may use the copy: once the server is there, COMMAND is
started again if a value is another by now, and each delivery is the next copy; a refusal deletes it. --offline asks
nobody, so it excludes --watch. When COMMAND ends by itself, that is the end.

In a workspace, where an agent of yours runs (keyhold agent), COMMAND gets what the workspace gets: no credential is needed, and an
access key or --project goes before it.

With --project it is the person that is signed in who gets the secrets, each with a request of its own, and their own values
in place of the project’s (keyhold secret-override).

Reads KEYHOLD_URL, KEYHOLD_ACCESS_KEY_ID and KEYHOLD_ACCESS_KEY, or the files that KEYHOLD_ACCESS_KEY_ID_FILE and
KEYHOLD_ACCESS_KEY_FILE name. COMMAND does not get these. In CI and in Kubernetes, KEYHOLD_URL and KEYHOLD_WORKLOAD_IDENTITY
are enough; see keyhold workload-identity create --help.`,
  options: {
    environment: {
      type: 'string',
      short: 'e',
      placeholder: 'NAME',
      summary: 'the environment whose values are wanted',
      variable: 'KEYHOLD_ENVIRONMENT',
    },
    project: {
      type: 'string',
      short: 'p',
      placeholder: 'PROJECT',
      summary:
        'as the signed-in person, use this project; else $KEYHOLD_PROJECT, unless there is an access key',
    },
    'max-age': {
      type: 'string',
      placeholder: 'AGE',
      variable: 'KEYHOLD_MAX_AGE',
      summary: 'keep a copy for when Keyhold cannot be reached, and use it until it is so old: 30m, 12h, 7d',
    },
    offline: { type: 'boolean', summary: 'use the copy that --max-age has kept, and ask nobody' },
    mask: {
      type: 'string',
      placeholder: 'HOW',
      choices: ['blank', 'label'],
      summary: 'leave nothing in place of a value (blank, the default), or [NAME] (label)',
    },
    'no-mask': { type: 'boolean', summary: 'leave values in the output' },
    'record-use': {
      type: 'boolean',
      summary: 'report which lines of COMMAND read a secret; the default for a person',
    },
    'no-record-use': {
      type: 'boolean',
      summary: 'report nothing of what COMMAND reads, and load nothing into it',
    },
    watch: {
      type: 'boolean',
      summary: 'start COMMAND again whenever its values have changed',
    },
    grace: {
      type: 'string',
      placeholder: 'TIME',
      summary: 'with --watch: what COMMAND may take to end before it is killed: 10s (the default), 2m',
    },
    'allow-variable': {
      type: 'string',
      placeholder: 'NAME',
      isRepeatable: true,
      summary: 'accept a secret whose name can change what programs load or run, such as PATH',
    },
  },
  takesCommand: true,
  examples: [
    {
      does: 'a server with the secrets of staging',
      command: 'keyhold run --environment staging -- node server.js',
    },
    {
      does: 'a shell’s features need a shell',
      command: 'keyhold run -- sh -c \'psql "$DATABASE_URL" < schema.sql\'',
    },
    {
      does: 'go on for half a day without Keyhold',
      command: 'keyhold run --max-age=12h -- node server.js',
    },
    { does: 'start again when a value changes', command: 'keyhold run --watch -- node server.js' },
    {
      does: 'the same, with the project of who is signed in',
      command: 'keyhold run --watch --project shop -- npm run dev',
    },
    { does: 'a pager in a pipeline', command: "keyhold run -- sh -c 'make report | less'" },
    { does: 'show which secret was printed where', command: 'keyhold run --mask=label -- make test' },
  ],
  async run({ options, afterDashes, env, terminal }) {
    const [program, ...args] = afterDashes ?? []
    if (program === undefined)
      throw usageFailure('the command is missing', 'keyhold run [OPTIONS] -- COMMAND ARGUMENT…')
    if (options['no-mask'] && options.mask) throw usageFailure('--mask and --no-mask exclude each other')
    if (options['record-use'] && (options['no-record-use'] || options.offline))
      throw usageFailure(
        `--record-use and --${options.offline ? 'offline' : 'no-record-use'} exclude each other`,
      )
    const isMachine = hasAccessKey(env) || Boolean(env.KEYHOLD_WORKLOAD_IDENTITY)
    const project = options.project ?? (isMachine ? undefined : env.KEYHOLD_PROJECT || undefined)
    // Before anything is delivered, and so recorded.
    checkCommand(program, env.PATH)
    const isOfWorkspace = !isMachine && project === undefined && (await hasAgent(env))
    if (isOfWorkspace) assertForWorkspace(options)
    if ((options.offline || options['max-age'] !== undefined) && !hasAccessKey(env) && project === undefined)
      throw usageFailure(
        'a copy needs an access key or a person',
        'a token of the platform opens it only once',
      )
    if (options.watch && options.offline) throw usageFailure('--watch and --offline exclude each other')
    if (options.grace !== undefined && !options.watch) throw usageFailure('--grace is for --watch')
    const connection =
      project === undefined && !isOfWorkspace
        ? machineConnection(await withWorkloadKey(env), !isMachine && (await isSignedIn(env)))
        : undefined
    const wanted = options.environment ?? connection?.environment
    const fetch = (remark?: string) =>
      isOfWorkspace
        ? import('../run/agent-socket.ts').then(({ fetchWorkspaceDelivery }) => fetchWorkspaceDelivery(env))
        : connection === undefined
          ? import('../run/person-delivery.ts').then(({ fetchPersonDelivery }) =>
              fetchPersonDelivery(env, project, wanted, remark),
            )
          : fetchDelivery(connection, wanted, remark)
    const { 'max-age': maxAge, offline: isOffline } = options
    const note = (text: string) => terminal.note(text)
    const deliver = () =>
      maxAge === undefined && !isOffline
        ? fetch()
        : import('../run/offline.ts').then(({ copyOwner, deliverWithCopy }) => {
            const owner = copyOwner(env, connection, project, wanted)
            return deliverWithCopy({ env, owner, maxAge, isOffline, note }, fetch)
          })
    let usedEnvironment = wanted
    /** Another than the first, where a watch outlives a credential. */
    let current: MachineConnection | undefined
    const sendUses = isOfWorkspace
      ? workspaceSender(env)
      : connection === undefined
        ? personSender(env, project, () => usedEnvironment)
        : machineSender(
            () => current ?? connection,
            () => usedEnvironment,
          )
    const isRecorded =
      options['record-use'] ||
      ((project !== undefined || isOfWorkspace) && !options['no-record-use'] && !isOffline)
    const keptCopyOf = (maxAge: string) =>
      import('../run/offline.ts').then(({ copyOwner, keptCopy }) => {
        const owner = copyOwner(env, connection, project, wanted)
        return keptCopy({ env, owner, maxAge, isOffline: false, note })
      })
    const request: RunRequest = {
      command: program,
      args,
      mask: options['no-mask'] ? 'none' : options.mask === 'label' ? 'label' : 'blank',
      allowedNames: options['allow-variable'],
      env: isOfWorkspace ? await withIdentity(env) : env,
      note,
      ...(isRecorded && { sendUses }),
    }
    const tell = ({ environment, secrets, unresolved }: Delivery) => {
      usedEnvironment = environment
      for (const { name, explanation } of unresolved)
        note(`${name} is left out: ${isOfWorkspace ? '' : 'a reference has no value: '}${explanation}`)
      if (!env.KEYHOLD_DEBUG) return
      const names = secrets.map(({ name, source }) => (source ? `${name} (${source})` : name))
      note(`debug: ${secrets.length} secrets of ${environment}: ${names.join(', ')}`)
    }
    if (options.watch) {
      const [{ runWatched }, { machineSource, personSource }, { GRACE, parsedGrace }, copy] =
        await Promise.all([
          import('../run/watch.ts'),
          import('../run/watch-source.ts'),
          import('../run/replacement.ts'),
          maxAge === undefined ? undefined : keptCopyOf(maxAge),
        ])
      return runWatched({
        run: request,
        source: connection
          ? machineSource(env, connection, wanted, (connected) => {
              current = connected
            })
          : personSource(env, project, wanted),
        first: async () => {
          const delivery = await deliver()
          tell(delivery)
          return delivery
        },
        copy,
        graceMs: parsedGrace(options.grace ?? GRACE),
      })
    }
    const delivery = deliver()
    // It is awaited below; until then its failure must not count as unhandled.
    delivery.catch(() => {})
    // Loaded while the request is on its way.
    const { Run } = await import('../run/run.ts')
    const run = new Run(request)
    const delivered = await delivery
    tell(delivered)
    return run.withSecrets(delivered.secrets, delivered.referenced)
  },
})

/** Whether a person is signed in here, for saying what to do. */
async function isSignedIn(env: NodeJS.ProcessEnv): Promise<boolean> {
  if (env.KEYHOLD_TOKEN || env.KEYHOLD_TOKEN_FILE) return true
  try {
    return (await import('../credentials.ts')).readCredentials(env) !== undefined
  } catch {
    return false
  }
}

/** @throws Failure for what works only where the secrets come from the server. */
function assertForWorkspace(options: {
  readonly environment: string | undefined
  readonly watch: boolean
  readonly offline: boolean
  readonly 'max-age': string | undefined
}): void {
  // The way into a project is the same for all of them.
  const project = 'use --project=PROJECT, as the person who is signed in'
  if (options.environment !== undefined)
    throw usageFailure(
      'a workspace has its secrets from its agent: --environment (KEYHOLD_ENVIRONMENT) is not for it',
      'choose for all of its programs, where you are signed in: keyhold workspace update WORKSPACE --environment=PROJECT/ENVIRONMENT',
      `or ${project}`,
    )
  if (options.watch || options.offline || options['max-age'] !== undefined)
    throw usageFailure(
      'a workspace has its secrets from its agent: --watch, --offline and --max-age are not for it',
      options.watch ? `restart it yourself, or ${project}` : `leave it out, or ${project}`,
    )
}

/** The environment in which git and ssh know whose workspace it is. */
async function withIdentity(env: NodeJS.ProcessEnv): Promise<NodeJS.ProcessEnv> {
  return { ...env, ...(await import('../agent/identity-variables.ts')).identityVariables(env) }
}

/** Whether this is a workspace. Asked only where nothing else says whose secrets are wanted. */
async function hasAgent(env: NodeJS.ProcessEnv): Promise<boolean> {
  return (await import('../run/agent-socket.ts')).isInWorkspace(env)
}
