const DAY_MS = 86_400_000

export const expiryChoices = ['none', 'd30', 'd90', 'd365'] as const
export type ExpiryChoice = (typeof expiryChoices)[number]

/** When something ends that is made now. @returns ISO 8601; `null`: never */
export function expiryTime(choice: ExpiryChoice): string | null {
  return choice === 'none' ? null : new Date(Date.now() + Number(choice.slice(1)) * DAY_MS).toISOString()
}
