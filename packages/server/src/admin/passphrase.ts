import { limits } from '@keyhold/contract/limits'
import { Secret } from '@keyhold/contract/secret'
import { passwordProblem } from '../accounts/password-rules.ts'
import type { Config } from '../config/config.ts'
import { findSealedFile, isSealedFile, readKeyFile, readRootKeyFiles } from '../vault/root-key.ts'
import { WrongPassphraseError } from '../vault/sealed-root-key.ts'
import { say, UsageError } from './output.ts'
import { askUnseen, isTerminal, readInput } from './prompt.ts'

/* The passphrase of a sealed root key: out of the file that the configuration names, or off the terminal. */

const ATTEMPTS_MAX = 3

/**
 * The configuration with the passphrase that the data directory needs; as it is where nothing is sealed.
 * @throws WrongPassphraseError, SealedRootKeyError where nobody can be asked.
 */
export async function withPassphrase(config: Config): Promise<Config> {
  if (config.rootKey || config.rootKeyPassphrase !== undefined) return config
  const path = findSealedFile(config.dataDir)
  if (path === undefined) return config
  const passphrase = await askFor(path, (typed) => readRootKeyFiles(config.dataDir, false, typed))
  return { ...config, rootKeyPassphrase: passphrase.reveal() }
}

/** Reads a root key file that need not be in the data directory, and asks for its passphrase where there is none. */
export async function openKeyFile(path: string, config: Config): Promise<Buffer> {
  let key: Buffer | undefined
  const read = async (passphrase?: Secret<string>) => {
    key = (await readKeyFile(path, passphrase)).key
  }
  if (isSealedFile(path) && config.rootKeyPassphrase === undefined) await askFor(path, read)
  else await read(passphraseOf(config))
  return key! // `!`: reading it throws otherwise.
}

export const passphraseOf = ({ rootKeyPassphrase }: Config): Secret<string> | undefined =>
  rootKeyPassphrase === undefined ? undefined : new Secret(rootKeyPassphrase)

/** Asks until one is right, three times at most. @param attempt tries it. */
async function askFor(
  path: string,
  attempt: (passphrase: Secret<string> | undefined) => Promise<unknown>,
): Promise<Secret<string>> {
  // Where nobody can be asked, trying without says so.
  if (!isTerminal()) await attempt(undefined)
  for (let count = 1; ; count++) {
    const typed = new Secret(await askUnseen(`passphrase of ${path}: `))
    try {
      await attempt(typed)
      return typed
    } catch (error) {
      if (!(error instanceof WrongPassphraseError) || count === ATTEMPTS_MAX) throw error
      say(`${error.message}\n`)
    }
  }
}

/** A passphrase to open something with: typed, or the first line of standard input. */
export async function readPassphrase(question: string): Promise<Secret<string>> {
  return new Secret(isTerminal() ? await askUnseen(question) : firstLine(await readInput()))
}

/** A new passphrase: typed twice, or the first line of standard input. @throws UsageError when it will not do. */
export async function readNewPassphrase(): Promise<Secret<string>> {
  const passphrase = await readPassphrase(`new passphrase, at least ${limits.passwordLengthMin} characters: `)
  assertGood(passphrase)
  if (isTerminal() && (await askUnseen('the same passphrase again: ')) !== passphrase.reveal())
    throw new UsageError('the two passphrases differ; nothing was changed')
  return passphrase
}

/** @throws UsageError that quotes nothing. */
export function assertGood(passphrase: Secret<string>): void {
  const text = passphrase.reveal()
  const owner = { email: 'root@keyhold', name: 'root key', hasSecondFactor: false }
  const problem =
    text.length > limits.passwordLengthMax
      ? `has more than ${limits.passwordLengthMax} characters`
      : text !== text.trim()
        ? 'begins or ends with a space'
        : passwordProblem(text, owner)
  if (problem) throw new UsageError(`the passphrase ${problem}; nothing was changed`)
}

const firstLine = (text: string): string => text.split(/\r?\n/, 1)[0]!
