import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { shellQuoted, writeProgram } from './git-configuration.ts'

/**
 * Makes a folder with a `keyhold` that starts this very program, so that whoever is in the workspace has it, however the agent
 * was started. @param directory of the agent's state. @returns the folder. @throws system errors.
 */
export function writeOwnProgram(directory: string): string {
  const folder = resolve(directory, 'bin')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const [, entry = ''] = process.argv
  // The executable in one file has itself in place of an entry.
  const words = entry === '' || entry === process.execPath ? [process.execPath] : [process.execPath, entry]
  writeProgram(join(folder, 'keyhold'), `exec ${words.map(shellQuoted).join(' ')} "$@"`)
  return folder
}
