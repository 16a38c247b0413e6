import { endSshSession, listSshSessions } from '@keyhold/contract/api/ssh-sessions'
import type { Machine, Person } from '../access/caller.ts'
import type { Http } from '../http/http.ts'
import type { SshSessions } from './ssh-sessions.service.ts'

export function sshSessionRoutes(http: Http<Person, Machine>, sessions: SshSessions): void {
  http.person(listSshSessions, async ({ caller, origin, params }) => ({
    sshSessions: (await sessions.list({ caller, origin }, params.workspaceId)).map(({ since, ...one }) => ({
      ...one,
      since: since.toISOString(),
      isYours: one.person.id === caller.accountId,
    })),
  }))
  http.person(endSshSession, async ({ caller, origin, params }) =>
    sessions.end({ caller, origin }, params.workspaceId, params.sshSessionId),
  )
}
