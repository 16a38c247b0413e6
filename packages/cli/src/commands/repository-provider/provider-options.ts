import { readFileSync } from 'node:fs'
import type { RepositoryProvider } from '@keyhold/contract/api/repositories'
import { codeOf, Failure } from '../../failure.ts'
import type { Terminal } from '../../terminal.ts'

export const scopeOption = {
  type: 'string',
  placeholder: 'SCOPE',
  summary: "asked for when people connect, in the provider's words; default: what git needs",
  isRepeatable: true,
} as const

export const caOption = {
  type: 'string',
  placeholder: 'FILE',
  summary: 'certificates (PEM) to trust in place of the usual ones',
} as const

export const clientIdOption = {
  type: 'string',
  placeholder: 'ID',
  summary: 'of the OAuth application; its secret is read from standard input or a prompt',
} as const

/** Reads the certificates of `--ca`. @throws Failure */
export function readCa(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Failure(`the file of --ca cannot be read (${codeOf(error)})`)
  }
}

/** Reads the client secret, without the newline that a file ends with. @throws Failure */
export async function readClientSecret(terminal: Terminal): Promise<string> {
  const secret = Buffer.from(await terminal.readValue('client secret:'))
    .toString('utf8')
    .trim()
  if (secret === '') throw new Failure('standard input is empty; it has to be the client secret')
  return secret
}

/** Says what has to be done at the provider. */
export function sayNext(terminal: Terminal, provider: RepositoryProvider): void {
  terminal.hint(`the OAuth application at ${provider.host} needs this callback URL: ${provider.callbackUrl}`)
  if (provider.clientId === null)
    terminal.hint(`then give its client id: keyhold repository-provider edit ${provider.host} --client-id=ID`)
}
