// Begins the executable that needs no Node (tools/executable.ts). Code that loads parts of itself, terminals and the hooks
// of other programs have to be files, so the first start unpacks them beside what others keep for this account.
import { lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { homedir, tmpdir, userInfo } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { getAsset, getAssetKeys } from 'node:sea'

const { uid } = userInfo()
const name = getAsset('id', 'utf8')

// What it starts of itself, it starts as `process.execPath FLAG… FILE …`, as Node is started.
const { argv } = process
const fileAt = argv.findIndex((word, at) => at > 1 && !word.startsWith('-'))
const own = ownFile(argv[fileAt] ?? '')
const place = own?.place ?? unpack()
process.argv = own
  ? [process.execPath, own.file, ...argv.slice(fileAt + 1)]
  : [process.execPath, process.execPath, ...argv.slice(2)]
// Loaded from a file, code may load others, which the code in the executable itself may not.
createRequire(join(place, 'start.cjs'))(join(place, 'start.cjs'))

/** Whether a word of the command line is a program that was unpacked, perhaps by another start with another environment. */
function ownFile(word: string): { readonly place: string; readonly file: string } | undefined {
  const file = resolve(word)
  const directory = dirname(dirname(file))
  const isNamed = basename(directory) === name || basename(directory).startsWith(`${name}.`)
  if (!word.startsWith('/') || basename(dirname(file)) !== 'dist' || !isNamed) return undefined
  return isMine(directory) ? { place: directory, file } : undefined
}

/** @returns the directory with all files. */
function unpack(): string {
  const home = cacheDirectory()
  const ready = join(home ?? '', name)
  if (home !== undefined && isMine(ready)) return ready
  // Nowhere that lasts: for this start alone.
  const making = mkdtempSync(join(home ?? tmpdir(), `${name}.`))
  for (const key of getAssetKeys()) {
    const path = join(making, key)
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    writeFileSync(path, new Uint8Array(getAsset(key)), { mode: 0o600 })
  }
  try {
    if (home !== undefined) {
      renameSync(making, ready)
      return ready
    }
  } catch {
    // Another start was quicker, or something else is there.
    if (isMine(ready)) {
      rmSync(making, { recursive: true, force: true })
      return ready
    }
  }
  process.on('exit', () => rmSync(making, { recursive: true, force: true }))
  return making
}

/** Where files of this account are kept that can be made again. @returns undefined when others could write there. */
function cacheDirectory(): string | undefined {
  // With `sudo` the variables may still be those of whoever asked.
  const base = uid === 0 ? '/var/cache' : (process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'))
  const path = join(base, 'keyhold')
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
    return isMine(path) ? path : undefined
  } catch {
    return undefined
  }
}

/** Whether it is a directory of this account, in which nobody else can write. */
function isMine(path: string): boolean {
  try {
    const found = lstatSync(path)
    return found.isDirectory() && found.uid === uid && (found.mode & 0o022) === 0
  } catch {
    return false
  }
}
