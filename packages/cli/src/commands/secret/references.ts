import type { Keyhold } from '@keyhold/sdk'
import { usageFailure } from '../../failure.ts'
import type { Terminal } from '../../terminal.ts'

/** Whether `${NAME}` in a value stands for another secret. */
export const referenceOptions = {
  references: {
    type: 'boolean',
    summary: `\${NAME} and \${environment.NAME} in the value stand for other secrets`,
  },
  'no-references': { type: 'boolean', summary: `\${NAME} in the value is only that, the default` },
} as const

/** The field of the API, only if it was asked for. */
export function referencesChange(options: { references: boolean; 'no-references': boolean }): {
  hasReferences?: boolean
} {
  if (options.references && options['no-references'])
    throw usageFailure('--references and --no-references exclude each other')
  return options.references || options['no-references'] ? { hasReferences: options.references } : {}
}

/**
 * Says which secrets refer to what is about to go, so that they would have no value afterwards.
 * @param name undefined for everything in the environment.
 */
export async function warnOfReferences(
  keyhold: Keyhold,
  terminal: Terminal,
  projectId: string,
  environment: string,
  name: string | undefined,
): Promise<void> {
  const { references } = await keyhold.call('secret.references', {
    params: { projectId },
    query: { environment, ...(name !== undefined && { name }) },
  })
  for (const one of references)
    terminal.note(`warning: ${one.name} of ${one.environment} refers to \${${one.reference}}`)
}
