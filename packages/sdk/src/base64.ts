// Without Buffer: the SDK also runs where Node does not.

/** Encodes the UTF-8 bytes of a text. */
export function base64OfText(text: string): string {
  return base64OfBytes(new TextEncoder().encode(text))
}

export function base64OfBytes(bytes: Uint8Array): string {
  let binary = ''
  // In parts: fromCharCode takes its characters as arguments, of which there can be only so many.
  for (let start = 0; start < bytes.length; start += 8_192) {
    binary += String.fromCharCode(...bytes.subarray(start, start + 8_192))
  }
  return btoa(binary)
}

/** Decodes; undefined when the text is not base64. */
export function bytesOfBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  let binary: string
  try {
    binary = atob(text)
  } catch {
    // Its error says nothing more.
    return undefined
  }
  const bytes = new Uint8Array(binary.length)
  for (let index = 0; index < binary.length; index++) bytes[index] = binary.charCodeAt(index)
  return bytes
}

/** Decodes UTF-8 without dropping a byte order mark; undefined when the bytes are not UTF-8. */
export function textOfBytes(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}
