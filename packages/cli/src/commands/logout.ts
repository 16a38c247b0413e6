import { Keyhold, KeyholdError } from '@keyhold/sdk'
import { failureOf, userAgent } from '../client.ts'
import { defineCommand } from '../command.ts'
import {
  credentialsPath,
  credentialVariables,
  readCredentials,
  removeCredentials,
  type StoredCredentials,
} from '../credentials.ts'
import { Failure } from '../failure.ts'
import { KeyringFailure } from '../keyring.ts'
import { deleteStoredToken } from './account/delete-stored-token.ts'

export const command = defineCommand({
  usage: '',
  description:
    'Deletes the access token of this machine at the server, and the file that it is stored in. When the server cannot be\n' +
    'reached the file goes nevertheless, and the exit code is 1.',
  options: {},
  examples: [{ does: 'sign out', command: 'keyhold logout' }],
  async run({ env, terminal }) {
    let stored: StoredCredentials | undefined
    try {
      stored = readCredentials(env)
    } catch (error) {
      if (error instanceof KeyringFailure) removeCredentials(env)
      throw error
    }
    if (stored === undefined) {
      terminal.note(`nobody is signed in here: ${credentialsPath(env)} does not exist`)
    } else {
      let problem: string | undefined
      let isDeleted = false
      try {
        isDeleted = await deleteStoredToken(new Keyhold(stored, { userAgent }), stored)
        if (!isDeleted) problem = 'the server does not list it'
      } catch (error) {
        if (!(error instanceof KeyholdError)) throw error
        // 401: expired, already deleted, or the account is disabled. There is nothing left to delete.
        if (error.status !== 401) problem = failureOf(error).message
      }
      removeCredentials(env)
      if (problem !== undefined) {
        throw new Failure(
          `signed out here, but the access token was not deleted at ${stored.url}: ${problem}`,
          {
            hints: [
              `it is deleted from ${stored.place}; nothing on this machine has the token any more`,
              'if somebody may have copied it, sign in and delete it: keyhold token list',
            ],
          },
        )
      }
      terminal.note(
        isDeleted
          ? `signed out of ${stored.url}; the access token is deleted there, and in ${stored.place}`
          : `signed out of ${stored.url}; the access token was no longer valid there, and is deleted in ${stored.place}`,
      )
    }
    for (const name of credentialVariables(env)) {
      terminal.hint(`${name} is set and still signs you in; unset it too`)
    }
  },
})
