import type { RepositoryConnection, RepositoryProvider } from '@keyhold/contract/api/repositories'
import type { Keyhold } from '@keyhold/sdk'
import { Failure } from '../../failure.ts'
import type { Terminal } from '../../terminal.ts'

/** What `HOST` may be, in commands that take one. */
export const hostArgument = {
  name: 'HOST',
  summary: 'host as in the addresses of git, such as github.com; or github, gitlab, bitbucket; or an id',
} as const

interface Named {
  readonly id: string
  readonly type: string
  readonly kind: string
  readonly host: string
}

/** Finds by host or id; a type alone is the cloud service, or the only one of its type. */
function find<T extends Named>(all: readonly T[], wanted: string): T | undefined {
  const exact = all.find(({ id, host }) => id === wanted || host === wanted.toLowerCase())
  if (exact !== undefined) return exact
  const ofType = all.filter(({ type }) => type === wanted.toLowerCase())
  return ofType.find(({ kind }) => kind === 'default') ?? (ofType.length === 1 ? ofType[0] : undefined)
}

/** @throws Failure when no provider is registered that is called so; KeyholdError */
export async function findProvider(keyhold: Keyhold, wanted: string): Promise<RepositoryProvider> {
  const { providers } = await keyhold.call('repository-provider.list')
  const provider = find(providers, wanted)
  if (provider !== undefined) return provider
  throw new Failure('code repository provider not found (repository_provider.not_found)', {
    hints: [
      providers.length === 0
        ? 'none is registered; an administrator does that: keyhold repository-provider add github'
        : `those that are registered: ${providers.map(({ host }) => host).join(', ')}`,
    ],
  })
}

/** @throws Failure when the person has no such connection; KeyholdError */
export async function findConnection(keyhold: Keyhold, wanted: string): Promise<RepositoryConnection> {
  const { connections } = await keyhold.call('repository.list')
  const connection = find(connections, wanted)
  if (connection !== undefined) return connection
  throw new Failure('repository connection not found (repository_connection.not_found)', {
    hints: ['your connections: keyhold repository list', 'a new one: keyhold repository connect HOST'],
  })
}

/** Prints the public SSH key, and says where it has to be registered. */
export function sayPublicKey(terminal: Terminal, { sshPublicKey, sshKeysUrl }: RepositoryConnection): void {
  if (sshPublicKey === null) terminal.hint('you have no SSH identity yet: keyhold identity generate')
  else terminal.print(sshPublicKey)
  terminal.hint(`the public key has to be registered at ${sshKeysUrl}`)
}
