import { isIP } from 'node:net'

/**
 * Writes an address in its one form: no IPv6 zone, IPv4-mapped IPv6 as IPv4, no port, no brackets.
 * @returns undefined for what is no address.
 */
export function canonicalAddress(text: string): string | undefined {
  let address = text.trim()
  const bracketed = /^\[([^\]]+)\](?::\d{1,5})?$/.exec(address)
  if (bracketed) address = bracketed[1]!
  else if (/^\d{1,3}(?:\.\d{1,3}){3}:\d{1,5}$/.test(address)) address = address.slice(0, address.indexOf(':'))
  const zone = address.indexOf('%')
  if (zone >= 0) address = address.slice(0, zone)
  const mapped = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i.exec(address)
  if (mapped) address = mapped[1]!
  const version = isIP(address)
  if (version === 0) return undefined
  if (version === 4) return address
  // The URL parser compresses and lower-cases as RFC 5952 asks.
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const hexMapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical)
  if (!hexMapped) return canonical
  const [high, low] = [Number.parseInt(hexMapped[1]!, 16), Number.parseInt(hexMapped[2]!, 16)]
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
}

/** The /64 of a canonical IPv6 address, such as `2001:db8:0:1::/64`. */
export function addressBlock(address: string): string {
  const [head = '', tail] = address.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail ? tail.split(':') : []
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length
  const groups = [...before, ...Array<string>(zeros).fill('0'), ...after]
  return `${groups.slice(0, 4).join(':')}::/64`
}
