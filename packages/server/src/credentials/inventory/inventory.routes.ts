import { listCredentials } from '@keyhold/contract/api/credentials'
import type { Machine, Person } from '../../access/caller.ts'
import type { Http } from '../../http/http.ts'
import type { Inventory } from './inventory.service.ts'

export function inventoryRoutes(http: Http<Person, Machine>, inventory: Inventory): void {
  http.person(listCredentials, async ({ caller, origin }) => ({
    credentials: await inventory.list({ caller, origin }),
  }))
}
