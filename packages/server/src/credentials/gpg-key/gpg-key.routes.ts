import {
  createGpgKey,
  deleteGpgKey,
  getGpgKey,
  importGpgKey,
  listGpgKeys,
  publishGpgKey,
  revokeGpgKey,
} from '@keyhold/contract/api/gpg-keys'
import { Secret } from '@keyhold/contract/secret'
import type { Asker, Machine, Person } from '../../access/caller.ts'
import type { Clock } from '../../base/clock.ts'
import type { Http } from '../../http/http.ts'
import type { GpgKeys, NewGpgKey } from './gpg-key.service.ts'
import { toAnswer } from './gpg-key.ts'

export function gpgKeyRoutes(http: Http<Person, Machine>, keys: GpgKeys, clock: Clock): void {
  /** Deploys a key that was just taken in. That a host cannot be reached does not undo the key. */
  async function deployed(
    asker: Asker<Person>,
    { gpgKey, revocationCertificate }: NewGpgKey,
    publish = true,
  ) {
    const current = publish ? await keys.publish(asker, gpgKey.id).catch(() => gpgKey) : gpgKey
    return { gpgKey: toAnswer(current, clock.now()), revocationCertificate }
  }

  http.person(listGpgKeys, async ({ caller, origin }) => {
    const list = await keys.list({ caller, origin })
    return { gpgKeys: list.map((key) => toAnswer(key, clock.now())) }
  })

  http.person(createGpgKey, async ({ caller, origin, body }) => {
    const created = await keys.create(
      { caller, origin },
      {
        ...(body.name !== undefined && { name: body.name }),
        ...(body.email !== undefined && { email: body.email }),
        expiresAt: body.expiresAt ? new Date(body.expiresAt) : null,
      },
    )
    return deployed({ caller, origin }, created, body.publish)
  })

  http.person(importGpgKey, async ({ caller, origin, body }) => {
    const passphrase = body.passphrase === undefined ? undefined : new Secret(body.passphrase)
    const imported = await keys.import({ caller, origin }, new Secret(body.privateKey), passphrase)
    return deployed({ caller, origin }, imported, body.publish)
  })

  http.person(getGpgKey, async ({ caller, origin, params }) =>
    toAnswer(await keys.get({ caller, origin }, params.gpgKeyId), clock.now()),
  )

  http.person(publishGpgKey, async ({ caller, origin, params }) =>
    toAnswer(await keys.publish({ caller, origin }, params.gpgKeyId), clock.now()),
  )

  http.person(revokeGpgKey, async ({ caller, origin, params }) => ({
    revocationCertificate: await keys.revocationCertificate({ caller, origin }, params.gpgKeyId),
  }))

  http.person(deleteGpgKey, async ({ caller, origin, params }) => {
    const removals = await keys.delete({ caller, origin }, params.gpgKeyId)
    return { removals: removals.map((removal) => ({ ...removal, reason: removal.reason ?? null })) }
  })
}
