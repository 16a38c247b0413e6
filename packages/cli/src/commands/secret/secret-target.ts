import type { OptionValues } from '../../command.ts'
import { usageFailure } from '../../failure.ts'
import { parsedTime } from '../../present.ts'

// Where a secret goes in a workspace, the same for those of a person and those of a workspace.

/** @param when what stands before each summary, where the options are not for every use of the command. */
export const targetOptions = (when = '') =>
  ({
    'env-name': {
      type: 'string',
      placeholder: 'VARIABLE',
      summary: `${when}variable in the workspace; empty for none`,
    },
    'file-path': {
      type: 'string',
      placeholder: 'PATH',
      summary: `${when}file in the workspace, ~/… or /…; empty for none`,
    },
    enable: { type: 'boolean', summary: `${when}deliver it again` },
    disable: { type: 'boolean', summary: `${when}keep it, deliver it nowhere` },
    expires: {
      type: 'string',
      placeholder: 'WHEN',
      summary: `${when}90d, 12h, 2026-12-31 or never; then it is delivered no more`,
    },
  }) as const

/** The settings as the API takes them: only those that were given. */
export function targetChange(options: OptionValues<ReturnType<typeof targetOptions>>) {
  const { 'env-name': envName, 'file-path': filePath, expires } = options
  if (options.enable && options.disable) throw usageFailure('--enable and --disable exclude each other')
  return {
    ...(envName !== undefined && { envName: envName || null }),
    ...(filePath !== undefined && { filePath: filePath || null }),
    ...((options.enable || options.disable) && { isEnabled: options.enable }),
    ...(expires !== undefined && {
      expiresAt: expires === 'never' ? null : parsedTime(expires, 'expires', 1),
    }),
  }
}

/** Says where a secret is delivered to. */
export function shownPlaces(secret: {
  isEnabled: boolean
  envName: string | null
  filePath: string | null
}): string {
  if (!secret.isEnabled) return 'delivered nowhere'
  return [secret.envName && `$${secret.envName}`, secret.filePath].filter(Boolean).join(' and ')
}
