/** How long the browser may take to read the text that it saves. */
const READ_MS = 10_000

/** Has the browser save a text as a file. */
export function saveFile(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'text/plain' }))
  Object.assign(document.createElement('a'), { href: url, download: name }).click()
  // The address opens the text to every script of this origin.
  setTimeout(() => URL.revokeObjectURL(url), READ_MS)
}
