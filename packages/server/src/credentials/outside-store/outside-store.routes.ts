import * as api from '@keyhold/contract/api/stores'
import { Secret } from '@keyhold/contract/secret'
import type { Machine, Person } from '../../access/caller.ts'
import type { Http } from '../../http/http.ts'
import type { OutsideStores } from './outside-store.service.ts'
import { toSourceAnswer, toStoreAnswer } from './outside-store.ts'
import type { StoreSources } from './store-source.service.ts'

export function outsideStoreRoutes(
  http: Http<Person, Machine>,
  stores: OutsideStores,
  sources: StoreSources,
): void {
  http.person(api.listStores, async ({ caller, origin }) => {
    const list = await stores.list({ caller, origin })
    return { stores: list.map(([store, count]) => toStoreAnswer(store, caller.role === 'admin', count)) }
  })
  http.person(api.createStore, async ({ caller, origin, body: { credential, ...wish } }) => {
    const store = await stores.create({ caller, origin }, { ...wish, credential: new Secret(credential) })
    return toStoreAnswer(store, true, 0)
  })
  http.person(api.updateStore, async ({ caller, origin, params, body: { credential, ...change } }) => {
    const [store, count] = await stores.update({ caller, origin }, params.storeId, {
      ...change,
      ...(credential !== undefined && { credential: new Secret(credential) }),
    })
    return toStoreAnswer(store, true, count)
  })
  http.person(api.deleteStore, async ({ caller, origin, params, query }) =>
    stores.delete({ caller, origin }, params.storeId, query.confirm),
  )
  http.person(api.checkStore, async ({ caller, origin, params, body }) =>
    stores.check({ caller, origin }, params.storeId, body.path),
  )

  http.person(api.listStoreSources, async ({ caller, origin, params }) => {
    const list = await sources.list({ caller, origin }, params.workspaceId)
    return { sources: list.map(([source, owner]) => toSourceAnswer(source, owner)) }
  })
  http.person(api.createStoreSource, async ({ caller, origin, params, body }) =>
    toSourceAnswer(...(await sources.create({ caller, origin }, params.workspaceId, body))),
  )
  http.person(api.deleteStoreSource, async ({ caller, origin, params }) =>
    sources.delete({ caller, origin }, params.workspaceId, params.sourceId),
  )
}
