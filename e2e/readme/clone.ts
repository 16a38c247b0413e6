import { execFileSync } from 'node:child_process'
import { cpSync, lstatSync, mkdirSync, readdirSync, readlinkSync, symlinkSync } from 'node:fs'
import { join, relative } from 'node:path'

/** What is not in a clone. */
const NOT_CLONED = /^(\.git|node_modules|coverage|data)$|(^|\/)(node_modules|dist)$|\.log$/

/**
 * Makes what `git clone` and `npm ci` make, from the working tree as it is: its files, the packages of npm shared with
 * it, the packages of the repository linked and built anew.
 */
export function clone(root: string, target: string): void {
  cpSync(root, target, {
    recursive: true,
    filter: (source) => !NOT_CLONED.test(relative(root, source)),
  })
  const [from, to] = [join(root, 'node_modules'), join(target, 'node_modules')]
  mkdirSync(to)
  for (const name of readdirSync(from)) {
    // These two have links into the repository, relative ones.
    if (name === '.bin' || name === '@keyhold') copyLinks(join(from, name), join(to, name))
    else if (name !== '.cache' && name !== '.vite') symlinkSync(join(from, name), join(to, name))
  }
  execFileSync(process.execPath, [join(target, 'tools/build.ts')])
}

function copyLinks(from: string, to: string): void {
  mkdirSync(to)
  for (const name of readdirSync(from)) {
    if (lstatSync(join(from, name)).isSymbolicLink())
      symlinkSync(readlinkSync(join(from, name)), join(to, name))
  }
}
