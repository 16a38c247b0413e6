import { readFileSync } from 'node:fs'
import type { Need, NeededSecret, Template, WorkspaceNeeds } from '@keyhold/contract/api/templates'
import type { Keyhold } from '@keyhold/sdk'
import { closest } from '../../closest.ts'
import { codeOf, Failure, usageFailure } from '../../failure.ts'
import type { Terminal } from '../../terminal.ts'

export const templateArgument = { name: 'TEMPLATE', summary: 'name or id of the template' } as const

/** What says which secrets are needed. None of it takes a value. */
export const needOptions = {
  need: {
    type: 'string',
    placeholder: 'NAME[=DESCRIPTION]',
    summary: 'secret that is needed, and what for; never its value',
    isRepeatable: true,
  },
  required: {
    type: 'string',
    placeholder: 'NAME',
    summary: 'secret without which a workspace does not start',
    isRepeatable: true,
  },
  devcontainer: {
    type: 'string',
    placeholder: 'FILE',
    summary: 'devcontainer.json whose "secrets" say what is needed; nothing else of it is kept',
  },
} as const

interface Options {
  readonly need: readonly string[]
  readonly required: readonly string[]
  readonly devcontainer: string | undefined
}

export const hasNeeds = ({ need, required, devcontainer }: Options): boolean =>
  need.length > 0 || required.length > 0 || devcontainer !== undefined

/** @throws Failure when a file cannot be read, or an option has no name. */
export function readNeeds({ need, required, devcontainer }: Options): {
  needs: Need[]
  devcontainer?: string
} {
  const needs = new Map<string, Need>()
  for (const text of need) {
    const [, name = '', description] = /^([^=]+)(?:=(.*))?$/s.exec(text) ?? []
    if (name === '') throw usageFailure(`${text} names no secret`, 'say it as NAME, or NAME=DESCRIPTION')
    needs.set(name, { name, ...(description !== undefined && { description }) })
  }
  for (const name of required) needs.set(name, { ...needs.get(name), name, isRequired: true })
  return {
    needs: [...needs.values()],
    ...(devcontainer !== undefined && { devcontainer: readText(devcontainer) }),
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Failure(`the file of --devcontainer cannot be read (${codeOf(error)})`)
  }
}

/** @throws Failure when there is none that is called so; KeyholdError */
export async function findTemplate(keyhold: Keyhold, wanted: string): Promise<Template> {
  const { templates } = await keyhold.call('template.list')
  const found = templates.find(({ id, name }) => id === wanted || name === wanted)
  if (found !== undefined) return found
  const near = closest(
    wanted,
    templates.map(({ name }) => name),
  )
  throw new Failure(`template ${wanted} not found (template.not_found)`, {
    hints: [...(near === undefined ? [] : [`did you mean ${near}?`]), 'all of them: keyhold template list'],
  })
}

export const shownNeed = ({ name, isRequired, description, documentationUrl }: NeededSecret): string[] => [
  name,
  isRequired ? 'required' : 'suggested',
  [description, documentationUrl].filter(Boolean).join(' '),
]

/** Says which secrets a workspace needs and where they are added (acceptance SEC-44, SEC-46). */
export function sayNeeds(terminal: Terminal, workspace: string, { needs }: WorkspaceNeeds): void {
  if (needs.length === 0) return
  terminal.note('This template needs these secrets:')
  for (const need of needs) {
    const [name = '', ...rest] = shownNeed(need)
    terminal.note(`  ${name}: ${need.isPresent ? 'present' : 'missing'}, ${rest.filter(Boolean).join(', ')}`)
  }
  const missing = needs.filter(({ isPresent }) => !isPresent)
  if (missing.length === 0) return
  const stopping = missing.filter(({ isRequired }) => isRequired).map(({ name }) => name)
  if (stopping.length > 0) terminal.note(`without ${stopping.join(', ')} the workspace does not start`)
  for (const { name } of missing) terminal.hint(`add it: keyhold workspace-secret set ${workspace} ${name}`)
}
