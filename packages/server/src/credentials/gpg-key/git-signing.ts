const ID = '(?:[0-9a-f]{40}|[0-9a-f]{64})'
const TIME = String.raw`\d{1,20} [+-]\d{4,7}`
/** Name, address and time (git-commit-tree(1)). */
const PERSON = String.raw`[^<>\0\n]*<[^<>\0\n]*> ${TIME}`
/** Others than those that each has, such as `encoding` and `mergetag`; what goes on in the next line begins with a blank. */
const HEADERS = String.raw`(?:[A-Za-z][A-Za-z0-9:_-]{0,63} [^\0\n]*\n(?: [^\0\n]*\n)*)*`
const TEXT = String.raw`(?:\n[^\0]*)`

/** What git signs, from the first byte to the last. No two of them fit one text. */
const FORMS = {
  'git commit': new RegExp(
    `^tree ${ID}\\n(?:parent ${ID}\\n)*author ${PERSON}\\ncommitter ${PERSON}\\n${HEADERS}${TEXT}$`,
  ),
  'git tag': new RegExp(
    `^object ${ID}\\ntype (?:commit|tree|blob|tag)\\ntag [^\\0\\n]+\\ntagger ${PERSON}\\n${HEADERS}${TEXT}$`,
  ),
  // gitprotocol-pack(5), Push Certificate.
  'git push': new RegExp(
    `^certificate version 0\\.1\\npusher [^\\0\\n]+ ${TIME}\\n(?:pushee [^\\0\\n]+\\n)?(?:nonce [^\\0\\n]+\\n)?(?:push-option [^\\0\\n]*\\n)*\\n(?:${ID} ${ID} [^\\0\\n ]+\\n)+$`,
  ),
} as const

export type GitSigning = keyof typeof FORMS

/** Says what git would have signed. @returns undefined for everything else, such as a file, a release or a mail. */
export function gitSigningOf(data: Uint8Array): GitSigning | undefined {
  // Byte for byte: messages need not be UTF-8.
  const text = Buffer.from(data).toString('latin1')
  return (Object.keys(FORMS) as GitSigning[]).find((name) => FORMS[name].test(text)) // `as`: the keys of FORMS.
}
