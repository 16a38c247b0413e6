import type { Share } from '@keyhold/contract/api/workspaces'
import type { Keyhold } from '@keyhold/sdk'
import { Failure } from '../../failure.ts'
import type { Terminal } from '../../terminal.ts'

export const levelOption = {
  type: 'string',
  placeholder: 'LEVEL',
  summary: 'what the person may do in the workspace',
  choices: ['view', 'edit', 'admin'],
} as const

export const levelsDescription =
  'view: see the workspace and whether it runs, without a terminal and without secrets; edit: also run code, which gets the secrets, while values\n' +
  'are taken out of what is shown; admin: all of it, also values. Only share as admin with trusted people.'

/** Finds a share by e-mail address, account id or exact name. @throws Failure, KeyholdError */
export async function findShare(keyhold: Keyhold, workspaceId: string, wanted: string): Promise<Share> {
  const { shares } = await keyhold.call('share.list', { params: { workspaceId } })
  const exact = shares.find(
    ({ person }) => person.id === wanted || person.email.toLowerCase() === wanted.toLowerCase(),
  )
  if (exact !== undefined) return exact
  const [named, ...others] = shares.filter(({ person }) => person.name === wanted)
  if (named !== undefined && others.length === 0) return named
  throw new Failure(
    named === undefined
      ? `the workspace is not shared with ${wanted} (share.not_found)`
      : `it is shared with several people called ${wanted}`,
    { hints: ['with whom it is shared: keyhold share list WORKSPACE'] },
  )
}

/** What whoever gives somebody Admin has to know (acceptance SEC-41). */
export function warnOfAdmin(terminal: Terminal, name: string): void {
  terminal.note(`Only share with trusted people: as Admin, ${name} can see the values of all its secrets`)
}
