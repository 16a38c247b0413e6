import type { Storage } from '../../storage/storage.ts'
import { SEALED_OVERHEAD_BYTES } from '../../vault/envelope.ts'
import type { Offer } from '../offer.ts'
import { listOffered, type OfferedSecret, projectState } from './secret.store.ts'

/** Where files of projects' secrets are in a workspace. */
const PROJECT_FOLDER = '~/.keyhold/project'

/**
 * What an environment has itself, and what it takes from `All`; of an environment that is `All`, all is that. Decides
 * nothing and opens nothing.
 */
export async function secretOffers(
  { db }: Storage,
  projectId: string,
  environmentId: string,
  environment: string,
): Promise<{ own: Offer[]; fromAll: Offer[] }> {
  const secrets = await listOffered(db, projectId, environmentId)
  const own = secrets.filter(({ isInDefault }) => !isInDefault)
  const names = new Set(own.map(({ name }) => name))
  const fromAll = secrets.filter(({ isInDefault, name }) => isInDefault && !names.has(name))
  const offer = (secret: OfferedSecret): Offer => ({
    ...toOffer(secret),
    link: { projectId, environment, hasReferences: secret.hasReferences },
  })
  return { own: own.map(offer), fromAll: fromAll.map(offer) }
}

function toOffer(secret: OfferedSecret): Offer {
  const { id, name, type, version, project, environment, sealedBytes } = secret
  return {
    source: { kind: 'project', name: `${project}/${environment}` },
    id,
    name,
    type,
    version,
    envName: name,
    filePath: null,
    folder: PROJECT_FOLDER,
    valueBytes: sealedBytes - SEALED_OVERHEAD_BYTES,
  }
}

/** Another text as soon as what references of the project stand for may be another. */
export const secretsState = ({ db }: Storage, projectId: string): Promise<string> =>
  projectState(db, projectId)
