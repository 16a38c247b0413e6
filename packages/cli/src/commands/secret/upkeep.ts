import { usageFailure } from '../../failure.ts'

/** What is kept about a project's secret besides its value. */
export const upkeepOptions = {
  note: {
    type: 'string',
    placeholder: 'TEXT',
    summary: 'anything worth knowing that is not secret: who owns it, how it is renewed',
  },
  rotate: {
    type: 'string',
    placeholder: 'PERIOD',
    summary:
      'due for a new value after so long: 90d, never, or default (as the instance has it for the type)',
  },
} as const

/** The fields of the API, only those that were asked for. */
export function upkeepChange(options: { note: string | undefined; rotate: string | undefined }): {
  note?: string
  rotationDays?: number | null
} {
  const { note, rotate } = options
  return {
    ...(note !== undefined && { note }),
    ...(rotate !== undefined && { rotationDays: rotationDays(rotate) }),
  }
}

function rotationDays(period: string): number | null {
  if (period === 'default') return null
  if (period === 'never') return 0
  const days = /^([1-9]\d{0,3})d$/.exec(period)?.[1]
  if (days === undefined || Number(days) > 3650)
    throw usageFailure('--rotate is 1d to 3650d, never or default')
  return Number(days)
}
