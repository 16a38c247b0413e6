/** Keyhold's own tokens: `kh_`, a kind, `_` and 49 digits of base 62 (newToken of the server). */
const FORM = /(kh_[a-z]{3,8}_)([0-9A-Za-z]{1,49})/g
const DIGITS = 49
const PREFIX_CHARACTERS_MAX = 'kh_12345678_'.length

/**
 * Takes the tokens of Keyhold out of one stream by their form, whosever they are: a credential that lies in the workspace need not
 * be one that the agent knows. Their beginning stays, which says the kind. Holds nothing back.
 */
export class TokenBlanker {
  /** The last that went out: a token may begin there. */
  #tail = ''
  /** How many digits may still follow. */
  #left = 0

  blank(bytes: Uint8Array): Uint8Array {
    let rest = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    if (this.#left > 0) {
      const digits = /^[0-9A-Za-z]*/.exec(rest.toString('latin1', 0, this.#left))?.[0].length ?? 0
      this.#left = digits === rest.length ? this.#left - digits : 0
      rest = rest.subarray(digits)
    }
    const text = this.#tail + rest.toString('latin1')
    const last = [...text.matchAll(FORM)].at(-1)
    if (last === undefined) {
      this.#tail = text.slice(-PREFIX_CHARACTERS_MAX)
      return rest
    }
    const [whole, , digits = ''] = last
    if (last.index + whole.length === text.length) this.#left = DIGITS - digits.length
    const blanked = text.replace(FORM, '$1')
    const shown = Buffer.from(blanked.slice(this.#tail.length), 'latin1')
    this.#tail = blanked.slice(-PREFIX_CHARACTERS_MAX)
    return shown
  }
}
