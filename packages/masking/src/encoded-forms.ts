/** The forms in which programs print a value they were given: base64, hex, percent, JSON, shell, XML. */

const encoder = new TextEncoder()
const HEX_DIGITS = '0123456789abcdef'

/**
 * Lists the encodings of one value, the value itself not included.
 *
 * Base64 is produced for all three positions the value can have inside a longer encoded text. Only characters
 * that the value decides alone are kept, so at each end up to 4 bits next to a neighbour stay visible.
 *
 * @param options.utf16 adds UTF-16LE, which Windows consoles and PowerShell write.
 * @returns forms in no particular order; may contain duplicates and forms equal to the value.
 */
export function encodedForms(value: Uint8Array, options: { utf16?: boolean } = {}): Uint8Array[] {
  const forms = [...base64Forms(value), ...hexForms(value), ...percentForms(value)].map((form) =>
    encoder.encode(form),
  )
  const text = decodeUtf8(value)
  if (text === undefined) return forms
  for (const form of [...jsonForms(text), ...shellForms(text), ...xmlForms(text)]) {
    forms.push(encoder.encode(form))
  }
  if (options.utf16) forms.push(Buffer.from(text, 'utf16le'))
  return forms
}

/** Decodes UTF-8, or returns undefined when the bytes are not UTF-8. A byte order mark is kept. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined // Not text. The error is dropped on purpose: nothing may quote a secret.
  }
}

function base64Forms(value: Uint8Array): string[] {
  const forms: string[] = []
  for (let bytesBefore = 0; bytesBefore < 3; bytesBefore++) {
    const padded = Buffer.concat([Buffer.alloc(bytesBefore), value])
    const text = padded.toString('base64').replace(/=+$/, '')
    // With 1 byte before, characters 0 and 1 mix in that byte; with 2 before, characters 0 to 2 do.
    const firstOwn = bytesBefore === 0 ? 0 : bytesBefore + 1
    const lastOwn = Math.floor((padded.length * 8) / 6)
    // The whole text ends with zero bits: what is printed when the value ends the input, also before "\n".
    for (const form of new Set([text.slice(firstOwn, lastOwn), text.slice(firstOwn)])) {
      forms.push(form, form.replaceAll('+', '-').replaceAll('/', '_'))
    }
  }
  return forms
}

function hexForms(value: Uint8Array): string[] {
  const hex = Buffer.from(value).toString('hex')
  return [hex, hex.toUpperCase()]
}

const ALPHANUMERIC = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
const PERCENT_KEEPS = [
  '-_.~', // RFC 3986 unreserved
  "-_.!~*'()", // encodeURIComponent
  '-_.~/', // Python's quote
  "-_.!~*'();/?:@&=+$,#", // encodeURI
  "-_.!~*'()&=+$,;%", // a password set through the WHATWG URL class keeps most marks
  '-_.*', // forms: application/x-www-form-urlencoded, where a space is "+"
].map((marks) => new Set(encoder.encode(ALPHANUMERIC + marks)))

function percentForms(value: Uint8Array): string[] {
  const forms: string[] = []
  PERCENT_KEEPS.forEach((keep, index) => {
    const isForm = index === PERCENT_KEEPS.length - 1
    let lower = ''
    let upper = ''
    for (const byte of value) {
      const escaped = `%${HEX_DIGITS[byte >> 4]}${HEX_DIGITS[byte & 15]}`
      const plain = isForm && byte === 0x20 ? '+' : keep.has(byte) ? String.fromCharCode(byte) : undefined
      lower += plain ?? escaped
      upper += plain ?? escaped.toUpperCase()
    }
    forms.push(lower, upper)
  })
  return forms
}

function jsonForms(text: string): string[] {
  const plain = JSON.stringify(text).slice(1, -1)
  const unicode = (source: string, which: RegExp, upper: boolean) =>
    source.replace(which, (char) => {
      const digits = char.charCodeAt(0).toString(16).padStart(4, '0')
      return `\\u${upper ? digits.toUpperCase() : digits}`
    })
  const notAscii = /[^\x00-\x7f]/g
  const forms = new Set<string>()
  // Go escapes < > & as \u003c; PHP escapes the slash; Python and PHP escape all that is not ASCII.
  for (const html of [plain, unicode(plain, /[<>&]/g, false), unicode(plain, /[<>&]/g, true)]) {
    for (const slash of [html, html.replaceAll('/', '\\/')]) {
      forms.add(slash)
      forms.add(unicode(slash, notAscii, false))
      forms.add(unicode(slash, notAscii, true))
    }
  }
  forms.add(JSON.stringify(plain).slice(1, -1)) // JSON text inside a JSON log line
  return [...forms]
}

function shellForms(text: string): string[] {
  return [
    text.replaceAll("'", "'\\''"),
    text.replaceAll("'", `'"'"'`), // Python's shlex.quote
    text.replace(/["\\$`]/g, '\\$&'),
    text.replace(/["\\$`!]/g, '\\$&'),
    text.replace(/[^\w\-./:=@%+,\n\x80-\u{10ffff}]/gu, '\\$&'), // bash: printf %q
    JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'"), // bash: $'...'
  ]
}

function xmlForms(text: string): string[] {
  const angles = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  return [
    angles,
    angles.replaceAll('"', '&quot;'),
    ...['&apos;', '&#39;', '&#x27;'].map((quote) => angles.replaceAll('"', '&quot;').replaceAll("'", quote)),
    angles.replaceAll('"', '&#34;').replaceAll("'", '&#39;'),
  ]
}
