import { Keyhold } from '@keyhold/sdk'
import { explained, userAgent } from '../client.ts'
import { findProject } from '../commands/project/find-project.ts'
import { type MachineConnection, machineConnection, withWorkloadKey } from '../connection.ts'
import { findCredentials } from '../credentials.ts'
import { type Delivery, fetchDelivery } from './delivery.ts'
import { fetchPersonDelivery } from './person-delivery.ts'

/** Where the secrets of a watched command come from. */
export interface WatchSource {
  readonly environment: string | undefined
  /** A client with the credential as it is now: another than before, where a platform or a file gives a new one. @throws Failure */
  connect(): Promise<{ keyhold: Keyhold; projectId?: string | undefined }>
  /** What the server delivers now. @param remark is repeated by the record. @throws Failure */
  fetch(remark?: string): Promise<Delivery>
}

/**
 * @param first the connection that there is already: a token of a platform opens it only once.
 * @param onConnected is told of those that follow.
 */
export function machineSource(
  env: NodeJS.ProcessEnv,
  first: MachineConnection,
  environment: string | undefined,
  onConnected: (connection: MachineConnection) => void,
): WatchSource {
  let current = first
  let isNew = true
  return {
    environment,
    async connect() {
      if (!isNew) current = machineConnection(await withWorkloadKey(env))
      isNew = false
      onConnected(current)
      return { keyhold: new Keyhold(current, { userAgent }) }
    },
    fetch: (remark) => fetchDelivery(current, environment, remark),
  }
}

export function personSource(
  env: NodeJS.ProcessEnv,
  project: string | undefined,
  environment: string | undefined,
): WatchSource {
  return {
    environment,
    connect: () =>
      explained(async () => {
        const found = findCredentials(env)
        const keyhold = new Keyhold(found.connection, { userAgent, environment: found.environment })
        const { id } = await findProject(keyhold, project)
        return { keyhold, projectId: id }
      }),
    fetch: (remark) => fetchPersonDelivery(env, project, environment, remark),
  }
}
