import { newId } from './ids.ts'

/** Makes a code that a person types: 5 random bits per character, none of which is taken for another. */
export function newTypedCode(characters: number): string {
  return newId('').slice(1, 1 + characters)
}

/** A code as it is shown: upper case, with a dash in the middle. */
export function shownTypedCode(code: string): string {
  const half = code.length / 2
  return `${code.slice(0, half)}-${code.slice(half)}`.toUpperCase()
}

/** A code however it was typed: in either case, with or without dashes and spaces, with O for 0 and I or L for 1. */
export function readTypedCode(typed: string): string {
  return typed
    .toLowerCase()
    .replaceAll(/[^0-9a-z]/g, '')
    .replaceAll('o', '0')
    .replaceAll(/[il]/g, '1')
}
