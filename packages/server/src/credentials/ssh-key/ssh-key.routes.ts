import { createSshKey, deleteSshKey, listSshKeys } from '@keyhold/contract/api/ssh-keys'
import type { Machine, Person } from '../../access/caller.ts'
import type { Clock } from '../../base/clock.ts'
import type { Http } from '../../http/http.ts'
import type { SshKeys } from './ssh-key.service.ts'
import { toAnswer } from './ssh-key.ts'

export function sshKeyRoutes(http: Http<Person, Machine>, keys: SshKeys, clock: Clock): void {
  http.person(listSshKeys, async ({ caller, origin }) => {
    const list = await keys.list({ caller, origin })
    return list.map((key) => toAnswer(key, clock.now()))
  })

  http.person(createSshKey, async ({ caller, origin, body }) => {
    const expiresAt = body.expiresAt ? new Date(body.expiresAt) : null
    return toAnswer(await keys.create({ caller, origin }, body.publicKey, expiresAt), clock.now())
  })

  http.person(deleteSshKey, async ({ caller, origin, body, query }) => {
    const [fingerprint, ...more] = [body?.publicKeyFingerprint, query.publicKeyFingerprint].filter(
      (one) => one !== undefined,
    )
    await keys.delete({ caller, origin }, more.length === 0 ? fingerprint : undefined)
    return undefined
  })
}
