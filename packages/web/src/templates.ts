import { queryOptions } from '@tanstack/react-query'
import { type CallAnswer, call } from './api.ts'

export type Template = CallAnswer<'template.list'>['templates'][number]

export const templatesQuery = queryOptions({
  queryKey: ['templates'],
  queryFn: async () => (await call('template.list')).templates,
})
