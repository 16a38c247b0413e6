import type { startWorkspace } from '@keyhold/contract/api/deliveries'
import { limits } from '@keyhold/contract/limits'
import type { AnswerOf } from '@keyhold/contract/route'
import type { Secret } from '@keyhold/contract/secret'
import { type Access, inWorkspace } from '../../access/access.ts'
import type { Asker, WorkspaceAgent } from '../../access/caller.ts'
import type { NeedsOfWorkspace } from '../../workspaces/template.ts'

type Start = AnswerOf<typeof startWorkspace>

/** What a start needs of the kinds. */
export interface StartSources {
  /** Decides, records, and only then asks and hands over. */
  fetchFromStores(asker: Asker<WorkspaceAgent>): Promise<{
    readonly variables: readonly { readonly name: string; readonly value: Secret<Uint8Array> }[]
    readonly problems: readonly { readonly text: string; readonly stopsStart: boolean }[]
  }>
  /** What its template said that it needs. */
  needsOf(workspaceId: string): Promise<NeedsOfWorkspace | undefined>
  /** The variables that the workspace gets of what Keyhold keeps. */
  variableNames(workspaceId: string): Promise<ReadonlySet<string>>
}

/** Where files of stores are, while a program runs: a folder that no other path leads into. */
const STORES_FOLDER = '~/.keyhold/stores'

/** The start of a workspace, which is the start of its agent: what is fetched then and not again. */
export class WorkspaceStarts {
  readonly #access: Access
  readonly #sources: StartSources

  constructor(access: Access, sources: StartSources) {
    this.#access = access
    this.#sources = sources
  }

  /** @returns what the workspace gets for as long as its agent runs, or why it does not start. */
  async start(asker: Asker<WorkspaceAgent>): Promise<Start> {
    await this.#access.check(asker, 'agent.start', inWorkspace(asker.caller.workspaceId), async () => {})
    const { variables, problems } = await this.#sources.fetchFromStores(asker)
    const secrets = variables.map(({ name, value }) => toDelivered(name, value))
    const tooLarge = variables.filter((_, i) => isTooLarge(secrets[i]!)).map(({ name }) => name) // `!`: one for each.
    const fetched = secrets.filter((secret) => !isTooLarge(secret))
    const all = [
      ...problems,
      ...tooLarge.map((name) => ({ text: `$${name} is too large for a variable`, stopsStart: false })),
      ...(await this.#missing(asker.caller, new Set(fetched.map(({ name }) => name)))),
    ]
    return { secrets: all.some(({ stopsStart }) => stopsStart) ? [] : fetched, problems: all }
  }

  /** Of what the workspace needs, that which nothing sets. Only what is required stops the start (acceptance SEC-46). */
  async #missing(
    { workspaceId, name: workspace }: WorkspaceAgent,
    fetched: ReadonlySet<string | null>,
  ): Promise<Start['problems']> {
    const { needs = [] } = (await this.#sources.needsOf(workspaceId)) ?? {}
    if (needs.length === 0) return []
    const present = await this.#sources.variableNames(workspaceId)
    return needs
      .filter(({ name }) => !present.has(name) && !fetched.has(name))
      .map(({ name, description, isRequired }) => ({
        text: `${name} is missing${description.trim() === '' ? '' : ` (${description.trim().replaceAll(/\s+/g, ' ')})`}; add it: keyhold workspace-secret set ${workspace} ${name}`,
        stopsStart: isRequired,
      }))
  }
}

/** Bytes that are no text, or have a NUL, which ends a variable, go into a file that the variable names. */
function toDelivered(name: string, value: Secret<Uint8Array>): Start['secrets'][number] {
  const bytes = Buffer.from(value.reveal())
  const text = bytes.toString('utf8')
  if (!text.includes('\0') && Buffer.from(text).equals(bytes))
    return { name, type: 'token', path: null, value: text, encoding: 'utf8' }
  return {
    name,
    type: 'file',
    path: `${STORES_FOLDER}/${name}`,
    value: bytes.toString('base64'),
    encoding: 'base64',
  }
}

const isTooLarge = ({ name, type, value }: Start['secrets'][number]): boolean =>
  type === 'token' && Buffer.byteLength(`${name}=${value}`) + 1 > limits.variableBytes
