import type { Secret } from '@keyhold/contract/secret'
import type { Outgoing } from '../../base/outgoing.ts'
import type { OutsideStore, StoredOutside } from './outside-store.ts'

/** From the first byte to the last of one request to a store. What is fetched while a workspace starts has to be quick. */
export const STORE_DEADLINE_MS = 10_000

/** What a store is reached with. */
export interface StoreConnection {
  readonly store: OutsideStore
  readonly credential: Secret<string>
  readonly outgoing: Outgoing
}

/** Somebody who is signed in to a store, or will be at the first request. */
export interface StoreClient {
  /** Signs in, and touches no value. @throws StoreError, OutgoingError */
  check(): Promise<void>
  /** @throws StoreError, OutgoingError */
  read(path: string): Promise<StoredOutside>
  /** Signs out, where there is something to sign out of. Does not throw. */
  close(): Promise<void>
}

const texts = {
  'sign-in': 'it refuses what Keyhold signs in with',
  forbidden: 'it does not let Keyhold read this path',
  'sign-in-or-forbidden': 'it refuses what Keyhold signs in with, or does not let it read this path',
  missing: 'there is nothing at this path, or it was deleted',
  redirect: 'it sends Keyhold to another address, which is not followed',
  busy: 'it is sealed, starting or too busy',
  malformed: 'its answer is not one that such a store gives',
  failed: 'it answers with an error',
} as const

/** What went wrong, in words that have nothing of what was sent or answered. */
export class StoreError extends Error {
  readonly problem: keyof typeof texts

  constructor(problem: keyof typeof texts, status?: number) {
    super(texts[problem] + (status === undefined ? '' : ` (status ${status})`))
    this.name = 'StoreError'
    this.problem = problem
  }
}

/** Loads the client of a store, which brings its vendor's library with it. */
export async function connectStore(connection: StoreConnection): Promise<StoreClient> {
  switch (connection.store.settings.kind) {
    case 'vault': {
      const { VaultClient } = await import('./vault-client.ts')
      return new VaultClient(connection, connection.store.settings)
    }
    case 'aws': {
      const { newAwsClient } = await import('./aws-client.ts')
      return newAwsClient(connection, connection.store.settings)
    }
    case 'azure': {
      const { newAzureClient } = await import('./azure-client.ts')
      return newAzureClient(connection, connection.store.settings)
    }
  }
}
