// Where the agent puts files, and where it does not (T23).
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { SecretFiles } from '../src/agent/secret-files.ts'

let root: string
let home: string
let state: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'keyhold-files-test-'))
  home = join(root, 'home')
  state = join(root, 'state')
  mkdirSync(home)
  mkdirSync(state)
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
})

function newFiles(allowed: string[] = [], env: Record<string, string> = {}) {
  const files = new SecretFiles({ env: { HOME: home, ...env }, directory: state, allowed })
  onTestFinished(() => files.close())
  return files
}
const wanted = (path: string, value = 'canary') => ({ path, value: Buffer.from(value) })
/** What became of one file. */
const put = (files: SecretFiles, path: string, value?: string) => files.apply([wanted(path, value)]).get(path)

describe('T23: a file is not written', () => {
  test.each([
    ['~/../outside', 'outside'],
    ['~/a/../../outside', 'outside'],
    ['/etc/keyhold-test', 'outside'],
    ['~/nul\0', 'outside'],
    ['~/', 'outside'],
    [`~/${'x'.repeat(300)}`, 'failed'],
  ])('at %j: %s', (path, problem) => {
    expect(put(newFiles(), path)).toEqual({ problem })
    expect(readdirSync(home)).toEqual([])
    expect(readdirSync(root).sort()).toEqual(['home', 'state'])
  })

  test('behind a folder that is a link, or a file', () => {
    mkdirSync(join(root, 'elsewhere'))
    symlinkSync(join(root, 'elsewhere'), join(home, 'linked'))
    writeFileSync(join(home, 'file'), '')
    const files = newFiles()
    expect(put(files, '~/linked/secret')).toEqual({ problem: 'no-folder' })
    expect(put(files, '~/file/secret')).toEqual({ problem: 'no-folder' })
    expect(readdirSync(join(root, 'elsewhere'))).toEqual([])
  })

  test('in a folder that others can write to, and in one of somebody else', () => {
    mkdirSync(join(home, 'open'))
    chmodSync(join(home, 'open'), 0o777)
    expect(put(newFiles(), '~/open/secret')).toEqual({ problem: 'foreign-folder' })
    mkdirSync(join(home, 'grouped'))
    chmodSync(join(home, 'grouped'), 0o770)
    expect(put(newFiles(), '~/grouped/own')).toEqual({ file: join(home, 'grouped/own') })
    const others = process.getgroups?.().find((group) => group !== process.getgid?.())
    if (process.getuid?.() === 0 || others !== undefined) {
      chownSync(join(home, 'grouped'), process.getuid?.() ?? 0, others ?? 12_345)
      expect(put(newFiles(), '~/grouped/secret')).toEqual({ problem: 'foreign-folder' })
    }
    // Of root for others, and for root with others in it.
    const foreign = process.getuid?.() === 0 ? '/tmp' : '/etc'
    expect(put(newFiles([foreign]), `${foreign}/keyhold-test`)).toEqual({ problem: 'foreign-folder' })
  })

  test('in place of a file, a folder or a link that Keyhold did not put there', () => {
    writeFileSync(join(home, 'file'), 'mine')
    mkdirSync(join(home, 'folder'))
    symlinkSync('/etc/passwd', join(home, 'link'))
    const passwd = readFileSync('/etc/passwd')
    const files = newFiles()
    for (const name of ['file', 'folder', 'link'])
      expect(put(files, `~/${name}`)).toEqual({ problem: 'taken' })
    files.close()
    expect(readFileSync(join(home, 'file'), 'utf8')).toBe('mine')
    expect(readlinkSync(join(home, 'link'))).toBe('/etc/passwd')
    expect(readFileSync('/etc/passwd').equals(passwd)).toBe(true)
  })

  test('beside what the agent keeps for itself', () => {
    const files = newFiles([state])
    expect(put(files, `${state}/files.json`)).toEqual({ problem: 'outside' })
    expect(put(files, `${state}/agent.json`)).toEqual({ problem: 'outside' })
  })
})

test('SDS-19: bytes in memory and a link to them, folders are made, nobody else can read it', () => {
  const files = newFiles()
  expect(put(files, '~/.config/tool/token')).toEqual({ file: join(home, '.config/tool/token') })
  const link = join(home, '.config/tool/token')
  expect([readFileSync(link, 'utf8'), statSync(link).mode & 0o777]).toEqual(['canary', 0o600])
  expect(statSync(join(home, '.config')).mode & 0o777).toBe(0o700)
  expect(statSync(dirname(dirname(readlinkSync(link)))).mode & 0o777).toBe(0o700)
  expect(readlinkSync(link)).toMatch(/^\/(?:dev\/shm|run)\/.*\/token$/)
})

test('outside the home directory with leave, and in another form of the same leave', () => {
  const allowed = join(root, 'srv')
  mkdirSync(allowed)
  expect(put(newFiles([`${allowed}/`]), `${allowed}/app/token`)).toEqual({ file: `${allowed}/app/token` })
  expect(put(newFiles([allowed]), `${allowed}-other/token`)).toEqual({ problem: 'outside' })
})

test('a new value takes the place of the old one for whoever opens it, and what a program wrote stays until then', () => {
  const files = newFiles()
  const link = join(home, 'token')
  put(files, '~/token', 'one')
  const before = statSync(link).ino
  writeFileSync(link, 'by a program')
  put(files, '~/token', 'one')
  expect([readFileSync(link, 'utf8'), statSync(link).ino]).toEqual(['by a program', before])
  put(files, '~/token', 'two')
  expect(readFileSync(link, 'utf8')).toBe('two')
  expect(statSync(link).ino).not.toBe(before)
})

test('what is no longer wanted goes, with the folders that were made for it; those that are used stay', () => {
  const files = newFiles()
  files.apply([wanted('~/made/one'), wanted('~/used/two'), wanted('~/three')])
  const bytes = readlinkSync(join(home, 'made/one'))
  writeFileSync(join(home, 'used/mine'), '')
  files.apply([wanted('~/three')])
  expect(readdirSync(home).sort()).toEqual(['three', 'used'])
  expect(readdirSync(join(home, 'used'))).toEqual(['mine'])
  expect(existsSync(bytes)).toBe(false)
  // An editor has put a file in the place of the link: that is theirs.
  rmSync(join(home, 'three'))
  writeFileSync(join(home, 'three'), 'mine')
  files.close()
  expect(readFileSync(join(home, 'three'), 'utf8')).toBe('mine')
  expect(readdirSync(state)).toEqual([])
})

test('what has gone is put back: the link, the bytes, and the place in memory', () => {
  const files = newFiles()
  const link = join(home, 'token')
  put(files, '~/token')
  rmSync(link)
  put(files, '~/token')
  expect(readFileSync(link, 'utf8')).toBe('canary')
  const bytes = readlinkSync(link)
  rmSync(bytes)
  put(files, '~/token')
  expect(readFileSync(link, 'utf8')).toBe('canary')
  rmSync(dirname(dirname(bytes)), { recursive: true })
  put(files, '~/token')
  expect(readFileSync(link, 'utf8')).toBe('canary')
})

test('a place in memory that somebody else made anew is not used, and nothing in it is removed', () => {
  const files = newFiles()
  const link = join(home, 'token')
  put(files, '~/token')
  const place = dirname(dirname(readlinkSync(link)))
  onTestFinished(() => rmSync(place, { recursive: true, force: true }))
  // Kept beside it, so that the new one cannot be the same file.
  renameSync(place, `${place}-moved`)
  onTestFinished(() => rmSync(`${place}-moved`, { recursive: true, force: true }))
  mkdirSync(dirname(readlinkSync(link)), { recursive: true, mode: 0o700 })
  writeFileSync(readlinkSync(link), 'theirs')
  const forged = readlinkSync(link)
  put(files, '~/token')
  expect(readFileSync(link, 'utf8')).toBe('canary')
  expect(readlinkSync(link)).not.toBe(forged)
  expect(readFileSync(forged, 'utf8')).toBe('theirs')
  const open = dirname(dirname(readlinkSync(link)))
  chmodSync(open, 0o755)
  put(files, '~/token')
  expect(dirname(dirname(readlinkSync(link)))).not.toBe(open)
  expect(existsSync(open)).toBe(false)
})

test('what was kept by an agent that was killed names what is removed; a forged one removes nothing else', () => {
  const victim = join(root, 'victim')
  mkdirSync(victim)
  writeFileSync(join(victim, 'theirs'), '')
  writeFileSync(join(home, 'mine'), '')
  symlinkSync('/etc/passwd', join(home, 'link'))
  const forged = join(root, 'keyhold-files-1-1-1-forged')
  for (const directory of [victim, forged]) {
    const puts = ['mine', 'link'].map((name) => ({
      ...{ link: join(home, name), target: '/etc/passwd', folders: [victim] },
    }))
    writeFileSync(join(state, 'files.json'), JSON.stringify({ directory, puts: [...puts, null, {}] }))
    newFiles().apply([])
  }
  expect([existsSync(victim), lstatSync(join(home, 'link')).isSymbolicLink()]).toEqual([true, true])
  expect(existsSync(join(home, 'mine'))).toBe(true)
  writeFileSync(join(state, 'files.json'), '{"directory":')
  expect(newFiles().apply([])).toEqual(new Map())
})
