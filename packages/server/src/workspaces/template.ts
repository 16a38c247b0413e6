import type { Need, NeededSecret, Template as TemplateAnswer } from '@keyhold/contract/api/templates'
import { limits } from '@keyhold/contract/limits'
import { refusedName } from '@keyhold/contract/names'
import { invalidField } from '../base/app-error.ts'
import type { PersonRef } from './workspace.ts'

/** What new workspaces start from. Has names and no values. */
export interface Template {
  readonly id: string
  readonly name: string
  readonly description: string
  readonly owner: PersonRef
  readonly needs: readonly NeededSecret[]
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** What a workspace needs, as the template said when it was made. */
export interface NeedsOfWorkspace {
  readonly template: string
  readonly needs: readonly NeededSecret[]
}

/** @throws AppError `request.invalid` with the field below `needs`. */
export function toNeeds(wished: readonly Need[]): NeededSecret[] {
  const names = new Set<string>()
  for (const [i, { name }] of wished.entries()) {
    const refused = refusedName(name)
    // The message of a wrong form does not quote the name: what was pasted there may be a value.
    if (refused) throw invalidField(`needs[${i}].name`, refused.message)
    if (names.has(name)) throw invalidField(`needs[${i}].name`, 'is there twice')
    names.add(name)
  }
  return wished.map(({ name, description = '', documentationUrl = null, isRequired = false }) => ({
    name,
    description,
    documentationUrl,
    isRequired,
  }))
}

/**
 * Reads what a `devcontainer.json` needs (containers.dev, "secrets": name to description and documentationUrl). A value in a
 * declaration is refused, not dropped: whoever put it there has to know that it does not belong into that file.
 * @throws AppError `request.invalid`; no message quotes what was read.
 */
export async function readDevcontainer(text: string): Promise<Need[]> {
  const { parse } = await import('jsonc-parser')
  const problems: unknown[] = []
  const file: unknown = parse(text, problems as never[], { allowTrailingComma: true }) // `as`: only counted.
  if (problems.length > 0 || !isRecord(file)) throw invalid('is no JSON object with comments')
  const { secrets = {} } = file
  if (!isRecord(secrets)) throw invalid('has "secrets" that are no object')
  const required = requiredIn(file)
  const entries = Object.entries(secrets)
  if (entries.length > limits.needsPerTemplate)
    throw invalid(`has more than ${limits.needsPerTemplate} secrets`)
  return entries.map(([name, declared]) => {
    if (refusedName(name)) throw invalid('has a secret whose name no variable can have')
    if (!isRecord(declared))
      throw invalid('has a secret that is more than a declaration: name it, without its value')
    const { description, documentationUrl, ...rest } = declared
    if (Object.keys(rest).length > 0)
      throw invalid(
        'has a secret with something besides description and documentationUrl; a value does not belong there',
      )
    return {
      name,
      ...(description !== undefined && { description: shortText(description, limits.descriptionLength) }),
      ...(documentationUrl !== undefined && { documentationUrl: httpsUrl(documentationUrl) }),
      isRequired: required.has(name),
    }
  })
}

/** Declarations that were given beside the file go before those in it. */
export function mergedNeeds(fromFile: readonly Need[], given: readonly Need[]): Need[] {
  const names = new Set(given.map(({ name }) => name))
  return [...fromFile.filter(({ name }) => !names.has(name)), ...given]
}

export function toTemplateAnswer(template: Template, isYours: boolean): TemplateAnswer {
  return {
    ...template,
    needs: [...template.needs],
    isYours,
    createdAt: template.createdAt.toISOString(),
    updatedAt: template.updatedAt.toISOString(),
  }
}

/** `customizations.keyhold.required` of a devcontainer.json. */
function requiredIn({ customizations }: Record<string, unknown>): ReadonlySet<unknown> {
  const own = isRecord(customizations) ? customizations.keyhold : undefined
  const required = isRecord(own) ? own.required : undefined
  return new Set(Array.isArray(required) ? required : [])
}

function shortText(value: unknown, lengthMax: number): string {
  if (typeof value !== 'string' || value.length > lengthMax || value.includes('\0') || !value.isWellFormed())
    throw invalid('has a secret whose description is too long, or is no text')
  return value
}

function httpsUrl(value: unknown): string {
  if (
    typeof value !== 'string' ||
    value.length > limits.urlLength ||
    !/^https:\/\/[\u0021-\u007e]+$/.test(value)
  )
    throw invalid('has a secret whose documentationUrl is no https address')
  return value
}

const invalid = (message: string) => invalidField('devcontainer', message)

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
