import { ShownError } from './ui/error-message.tsx'
import { errorWords } from './ui/messages.ts'

/** Asks the browser for a proof by one of the person's passkeys. @throws ShownError when there is none, or they do not want */
export async function provePasskey(options: object): Promise<unknown> {
  return asked(async () => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(
      options as PublicKeyCredentialRequestOptionsJSON, // `as`: the contract's schema describes that form.
    )
    return navigator.credentials.get({ publicKey })
  })
}

/** Has the browser make a passkey. @throws ShownError */
export async function makePasskey(options: object): Promise<unknown> {
  return asked(async () => {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(
      options as PublicKeyCredentialCreationOptionsJSON, // `as`: see above.
    )
    return navigator.credentials.create({ publicKey })
  })
}

export const hasPasskeys = (): boolean =>
  typeof PublicKeyCredential !== 'undefined' && 'parseRequestOptionsFromJSON' in PublicKeyCredential

async function asked(ask: () => Promise<Credential | null>): Promise<unknown> {
  if (!hasPasskeys()) throw new ShownError(errorWords.passkeyNone)
  // The browser's own errors say which rule was broken, never what a person can do.
  const credential = await ask().catch(() => null)
  if (!(credential instanceof PublicKeyCredential)) throw new ShownError(errorWords.passkeyCancelled)
  return credential.toJSON()
}
