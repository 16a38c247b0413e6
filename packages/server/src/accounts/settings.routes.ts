import { getSettings, updateSettings } from '@keyhold/contract/api/settings'
import type { Machine, Person } from '../access/caller.ts'
import type { Http } from '../http/http.ts'
import type { InstanceSettings } from './settings.service.ts'

export function settingsRoutes(http: Http<Person, Machine>, settings: InstanceSettings): void {
  http.person(getSettings, ({ caller, origin }) => settings.read({ caller, origin }))
  http.person(updateSettings, ({ caller, origin, body }) => settings.update({ caller, origin }, body))
}
