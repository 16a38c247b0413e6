import type { AnyRoute } from '@keyhold/contract/route'
import type { Asker, Machine, Person, WorkspaceAgent } from '../access/caller.ts'
import type { InstanceSettings } from '../accounts/settings.service.ts'
import { AppError } from '../base/app-error.ts'
import type { Clock } from '../base/clock.ts'
import type { Origin } from '../base/origin.ts'
import { WorkloadIdentities } from '../credentials/workload-identity/workload-identity.service.ts'
import { FailedAttempts } from '../http/attempts.ts'
import type { Credential } from '../http/credential.ts'
import type { Authenticated, HttpOptions } from '../http/http.ts'
import { AGENT_PREFIX } from '../workspaces/agents.service.ts'
import type { Core } from './core.ts'
import { lacksSecondFactor } from './find-person.ts'

/** Wrong tokens and keys per address and minute before the address has to wait. */
const WRONG_CREDENTIALS_MAX = 120
const MINUTE_MS = 60_000

type Who = Authenticated<Person, Machine, WorkspaceAgent>

/** How the routes learn who is calling, and who of them is let in. */
export function callers(
  core: Core,
  clock: Clock,
): Pick<HttpOptions<Person, Machine, WorkspaceAgent>, 'authenticate' | 'admit' | 'isStillAdmitted' | 'used'> {
  const { accounts, accessTokens, accessKeys, access } = core
  const wrongCredentials = new FailedAttempts(clock, WRONG_CREDENTIALS_MAX, MINUTE_MS)

  async function identify(
    credential: Credential,
    origin: Origin,
    isRecorded: boolean,
  ): Promise<Who | undefined> {
    if (credential.kind === 'access-key') {
      const caller = WorkloadIdentities.isCredentialId(credential.id)
        ? await core.workloadIdentities.authenticate(credential.id, credential.secret)
        : await accessKeys.authenticate(credential.id, credential.secret, origin, isRecorded)
      return caller && { kind: 'machine', caller }
    }
    if (credential.kind === 'access-token' && credential.token.startsWith(AGENT_PREFIX)) {
      const caller = await core.agents.authenticate(credential.token, origin)
      return caller && { kind: 'workspace', caller }
    }
    const caller =
      credential.kind === 'session'
        ? await accounts.authenticateSession(credential.token)
        : await accessTokens.authenticate(credential.token)
    return caller && { kind: 'person', caller }
  }

  /** Who that is by now, which is no use of the credential: a session that only listens comes to its end. */
  async function identifyAgain(
    before: Who,
    credential: Credential,
    origin: Origin,
  ): Promise<Who | undefined> {
    if (before.kind === 'person' && credential.kind === 'session') {
      const { accountId, credential: session } = before.caller
      const caller = await accounts.findSessionPerson(accountId, session.id)
      return caller && { kind: 'person', caller }
    }
    return identify(credential, origin, false).catch((error: unknown) => {
      if (error instanceof AppError && error.code === 'access.address_refused') return undefined
      throw error
    })
  }

  return {
    authenticate: async (credential, origin) => {
      // Valid credentials pass whatever others at the same address do: 256 random bits need no limit to guessing. The
      // limit is for the log, which refusals of a known key would fill.
      const address = origin.address ?? ''
      const isWithin = wrongCredentials.isAllowed(address)
      try {
        const who = await identify(credential, origin, isWithin)
        if (who) return who
      } catch (error) {
        if (!(error instanceof AppError && error.code === 'access.address_refused')) throw error
        wrongCredentials.recordFailure(address)
        wrongCredentials.assertAllowed(address)
        throw error
      }
      wrongCredentials.assertAllowed(address)
      wrongCredentials.recordFailure(address)
      return undefined
    },
    admit: async (row, who, origin) => {
      const refusal = whyNotAdmitted(row, who) ?? (await whyNotEnrolled(core.settings, row, who))
      // A row without an action touches nothing that is recorded; the refusal is then one of reading.
      if (refusal === undefined) return
      // Of agents even refusals are bounded: others than their owner can read their credential.
      if (who.kind === 'workspace') core.agentBounds.admit(who.caller.workspaceId)
      throw await access.refuse(
        { caller: who.caller, origin } as Asker,
        row.action ?? 'project.read',
        refusal,
      )
    },
    isStillAdmitted: async (row, before, credential, origin) => {
      const who = await identifyAgain(before, credential, origin)
      return (
        who !== undefined &&
        whyNotAdmitted(row, who) === undefined &&
        (await whyNotEnrolled(core.settings, row, who)) === undefined
      )
    },
    used: (who, origin) => {
      // That an agent is connected is said elsewhere.
      if (who.kind === 'workspace') return undefined
      // A workload identity was noted as used when its machine was let in.
      if (who.kind === 'machine')
        return who.caller.workload ? undefined : accessKeys.used(who.caller, origin.address)
      const { credential } = who.caller
      return credential.kind === 'access-token'
        ? accessTokens.used(credential.id, credential.lastUsedAt)
        : undefined
    },
  }
}

/** What somebody may do whom an identity provider has named and who has a second factor here. */
const finishesSignIn: ReadonlySet<string> = new Set([
  'session.get',
  'session.delete',
  'session.second_factor',
  'session.reauthenticate',
  'session.reauthenticate_passkey_begin',
  'session.reauthenticate_passkey',
])

/** The wrong kind of caller, a token without the scope, a temporary password. */
function whyNotAdmitted(row: AnyRoute, who: Who) {
  if (row.caller !== who.kind) return row.path.includes('/projects/') ? 'project.not_found' : 'access.refused'
  if (who.kind !== 'person') return undefined
  const { credential, mustChangePassword } = who.caller
  const isAboutSession = row.id === 'account.password' || row.id.startsWith('session.')
  if (credential.kind === 'session' && credential.needsSecondFactor && !finishesSignIn.has(row.id))
    return 'session.second_factor_required'
  if (mustChangePassword && !isAboutSession) return 'account.password_change_required'
  if (credential.kind !== 'access-token' || credential.scopes === null) return undefined
  // Without a scope on the row: reading who one is suits any token, the rest needs a whole one.
  const isCovered = row.scope ? credential.scopes.includes(row.scope) : row.id === 'session.get'
  return isCovered ? undefined : 'access.scope_missing'
}

/** Where everybody has to have a second factor, whoever has none may do nothing but get one. */
async function whyNotEnrolled(settings: InstanceSettings, row: AnyRoute, who: Who) {
  if (who.kind !== 'person') return undefined
  const isAboutSigningIn = /^(?:second-factor|passkey|identity-link|session|account[.]password)/.test(row.id)
  if (isAboutSigningIn || !(await lacksSecondFactor(settings, who.caller))) return undefined
  return 'second_factor.required'
}
