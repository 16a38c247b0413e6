import * as api from '@keyhold/contract/api/templates'
import type { Machine, Person } from '../access/caller.ts'
import type { Http } from '../http/http.ts'
import { toTemplateAnswer } from './template.ts'
import { isTheirs, type Templates } from './templates.service.ts'

export function templateRoutes(http: Http<Person, Machine>, templates: Templates): void {
  http.person(api.listTemplates, async ({ caller, origin }) => {
    const list = await templates.list({ caller, origin })
    return { templates: list.map((one) => toTemplateAnswer(one, isTheirs(one, caller))) }
  })
  http.person(api.createTemplate, async ({ caller, origin, body }) =>
    toTemplateAnswer(await templates.create({ caller, origin }, body), true),
  )
  http.person(api.updateTemplate, async ({ caller, origin, params, body }) =>
    toTemplateAnswer(await templates.update({ caller, origin }, params.templateId, body), true),
  )
  http.person(api.deleteTemplate, async ({ caller, origin, params }) =>
    templates.delete({ caller, origin }, params.templateId),
  )
}
