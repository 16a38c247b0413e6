import { type Action, actionNames, type Outcome, outcomes } from '@keyhold/contract/actions'
import type { CallArguments } from '@keyhold/sdk'

/** What the address of the page says. */
export interface Filters {
  /** E-mail address, or id of an account, access key or workspace. */
  readonly who?: string | undefined
  readonly secret?: string | undefined
  readonly action?: Action | undefined
  readonly project?: string | undefined
  readonly workspace?: string | undefined
  readonly outcome?: Outcome | undefined
  /** ISO 8601. */
  readonly from?: string | undefined
  readonly to?: string | undefined
}

export interface ActivitySearch extends Filters {
  readonly live?: true | undefined
  /** Number of the record that is looked at. */
  readonly record?: number | undefined
}

const TEXT_MAX = 256

/** Takes from an address what makes sense. */
export function readSearch(search: Record<string, unknown>): ActivitySearch {
  const { record, live } = search
  return {
    who: text(search.who),
    secret: text(search.secret),
    action: actionNames.find((one) => one === search.action),
    project: text(search.project),
    workspace: text(search.workspace),
    outcome: outcomes.find((one) => one === search.outcome),
    from: time(search.from),
    to: time(search.to),
    live: live === true ? true : undefined,
    record: typeof record === 'number' && Number.isSafeInteger(record) && record >= 0 ? record : undefined,
  }
}

// A name of digits alone is a number in an address.
const text = (value: unknown): string | undefined =>
  (typeof value === 'string' || typeof value === 'number') && value !== ''
    ? String(value).slice(0, TEXT_MAX)
    : undefined

function time(value: unknown): string | undefined {
  const at = typeof value === 'string' ? new Date(value) : undefined
  return at === undefined || Number.isNaN(at.getTime()) ? undefined : at.toISOString()
}

type Query = NonNullable<NonNullable<CallArguments<'audit.list'>[0]>['query']>

/** What the API is asked for. */
export function toQuery({ who, ...same }: Filters): Query {
  const asked = { ...same, person: who }
  // `as`: without what is undefined, these are the filters of the contract.
  return Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined)) as Query
}
