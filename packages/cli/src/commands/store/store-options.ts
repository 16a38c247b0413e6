import type { Store, StoreSource } from '@keyhold/contract/api/stores'
import type { Keyhold } from '@keyhold/sdk'
import { closest } from '../../closest.ts'
import { Failure, usageFailure } from '../../failure.ts'
import type { Terminal } from '../../terminal.ts'

export const storeArgument = { name: 'STORE', summary: 'name or id of the outside store' } as const

export const pathOption = {
  type: 'string',
  placeholder: 'PATH',
  summary:
    'what workspaces may take: * at the end for anything, {owner} for the e-mail address of the owner of the workspace, {workspace} for its id',
  isRepeatable: true,
} as const

/** @throws Failure when there is none that is called so; KeyholdError */
export async function findStore(keyhold: Keyhold, wanted: string): Promise<Store> {
  const { stores } = await keyhold.call('store.list')
  const found = stores.find(({ id, name }) => id === wanted || name === wanted)
  if (found !== undefined) return found
  const near = closest(
    wanted,
    stores.map(({ name }) => name),
  )
  throw new Failure(`outside store ${wanted} not found (store.not_found)`, {
    hints: [
      ...(near === undefined ? [] : [`did you mean ${near}?`]),
      stores.length === 0
        ? 'none is registered; an administrator does that: keyhold store add'
        : 'those that are registered: keyhold store list',
    ],
  })
}

/** Reads what Keyhold signs in to a store with, without the newline that a file ends with. @throws Failure */
export async function readStoreCredential(terminal: Terminal, what: string): Promise<string> {
  const credential = Buffer.from(await terminal.readValue(`${what}:`))
    .toString('utf8')
    .trim()
  if (credential === '') throw new Failure(`standard input is empty; it has to be the ${what}`)
  return credential
}

/** Reads `NAME=KEY`, or `NAME` for all that is at the path. */
export function readVariables(texts: readonly string[]): { name: string; key?: string }[] {
  return texts.map((text) => {
    const [, name, key] = /^([^=]+)(?:=(.+))?$/s.exec(text) ?? []
    if (name === undefined)
      throw usageFailure(`${text} is no variable`, 'say it as NAME=KEY, or NAME for all of it')
    return key === undefined ? { name } : { name, key }
  })
}

/** The variables of a source as a table shows them. */
export const shownVariables = ({ variables }: StoreSource): string =>
  variables === null
    ? 'each under its own name'
    : variables.map(({ name, key }) => (key === undefined ? name : `${name}=${key}`)).join(' ')
