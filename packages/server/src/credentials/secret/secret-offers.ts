import type { Storage } from '../../storage/storage.ts'
import { SEALED_OVERHEAD_BYTES } from '../../vault/envelope.ts'
import type { Offer } from '../offer.ts'
import { listOffered, type OfferedSecret, projectState } from './secret.store.ts'
import { listOfferedOverrides } from './secret-override.store.ts'

/** Where files of projects' secrets are in a workspace. */
const PROJECT_FOLDER = '~/.keyhold/project'

/** An environment of a project, for a workspace of a person's. */
export interface OfferedEnvironment {
  readonly projectId: string
  readonly environmentId: string
  readonly environment: string
  readonly ownerId: string
}

/**
 * What an environment has itself, and what it takes from `All`; of an environment that is `All`, all is that. An own value
 * of the owner's goes right before what it stands in for (decision 0029). Decides nothing and opens nothing.
 */
export async function secretOffers(
  { db }: Storage,
  { projectId, environmentId, environment, ownerId }: OfferedEnvironment,
): Promise<{ own: Offer[]; fromAll: Offer[] }> {
  const secrets = await listOffered(db, projectId, environmentId)
  const overrides = await listOfferedOverrides(db, projectId, ownerId)
  const own = secrets.filter(({ isInDefault }) => !isInDefault)
  const names = new Set(own.map(({ name }) => name))
  const fromAll = secrets.filter(({ isInDefault, name }) => isInDefault && !names.has(name))
  const toOffer = (secret: OfferedSecret): Offer => ({
    ...offered(secret),
    link: { projectId, environment, hasReferences: secret.hasReferences },
  })
  const ownValueOf = (secret: OfferedSecret, ofEnvironmentId: string): Offer[] => {
    const { name } = secret
    const found = overrides.find((one) => one.environmentId === ofEnvironmentId && one.name === name)
    if (!found) return []
    const of = ofEnvironmentId === secret.environmentId ? secret.environment : environment
    return [
      {
        ...offered({ ...secret, ...found }),
        source: { kind: 'override', name: `${secret.project}/${of}` },
        link: { projectId, environment, hasReferences: false },
      },
    ]
  }
  const takenFromAll = fromAll.filter((secret) => secret.environmentId !== environmentId)
  return {
    own: [
      ...own.flatMap((secret) => [...ownValueOf(secret, environmentId), toOffer(secret)]),
      ...takenFromAll.flatMap((secret) => ownValueOf(secret, environmentId)),
    ],
    fromAll: fromAll.flatMap((secret) => [...ownValueOf(secret, secret.environmentId), toOffer(secret)]),
  }
}

function offered(secret: OfferedSecret): Offer {
  const { id, name, type, version, project, environment, sealedBytes } = secret
  return {
    source: { kind: 'project', name: `${project}/${environment}` },
    id,
    name,
    type,
    version,
    expiresAt: null,
    envName: name,
    filePath: null,
    folder: PROJECT_FOLDER,
    valueBytes: sealedBytes - SEALED_OVERHEAD_BYTES,
  }
}

/** Another text as soon as what references of the project stand for may be another. */
export const secretsState = ({ db }: Storage, projectId: string): Promise<string> =>
  projectState(db, projectId)
