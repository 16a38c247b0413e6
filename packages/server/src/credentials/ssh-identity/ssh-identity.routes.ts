import {
  createSshIdentity,
  deleteSshIdentity,
  getSshIdentity,
  setSshDestinations,
} from '@keyhold/contract/api/ssh-identity'
import type { Machine, Person } from '../../access/caller.ts'
import type { Http } from '../../http/http.ts'
import type { SshIdentities } from './ssh-identity.service.ts'
import { toAnswer } from './ssh-identity.ts'

export function sshIdentityRoutes(http: Http<Person, Machine>, identities: SshIdentities): void {
  http.person(getSshIdentity, async ({ caller, origin }) =>
    toAnswer(await identities.get({ caller, origin })),
  )

  http.person(createSshIdentity, async ({ caller, origin, body }) => {
    const type = body.type === 'rsa' ? 'ssh-rsa' : 'ssh-ed25519'
    return toAnswer(await identities.create({ caller, origin }, type, body.replace ?? false))
  })

  http.person(setSshDestinations, async ({ caller, origin, body }) =>
    toAnswer(await identities.restrict({ caller, origin }, body.destinations)),
  )

  http.person(deleteSshIdentity, async ({ caller, origin }) => {
    await identities.delete({ caller, origin })
    return undefined
  })
}
