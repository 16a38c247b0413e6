import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { spawn } from '@lydell/node-pty'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { formatRecoveryKit, kitLines, parseRecoveryKit } from '../src/vault/recovery-kit.ts'
import { deriveRootKey } from '../src/vault/root-key.ts'
import { databases, newPostgresDatabase, startServer, type TestDatabase } from './kit.ts'
import { runToEnd, serverProgram } from './server-process.ts'

// Processes and disks take their time where the machine is busy with other things.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const heading = { instance: 'https://keys.example.com', madeAt: new Date('2026-11-22T05:00:00Z') }
const key = Buffer.from(Array.from({ length: 32 }, (_, i) => i * 7))

describe('a recovery kit', () => {
  test('is text for paper that gives any root key back, also typed loosely and without its numbers (D6)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
        const text = formatRecoveryKit(bytes, heading)
        expect([...parseRecoveryKit(text)]).toEqual([...bytes])
        const lines = kitLines(bytes)
        const loose = lines.map((line) =>
          line.toLowerCase().replaceAll('-', ' ').replaceAll('0', 'O').replaceAll('1', 'l'),
        )
        expect([...parseRecoveryKit(loose.join('\r\n'))]).toEqual([...bytes])
      }),
      { numRuns: 50 },
    )
    const text = formatRecoveryKit(key, heading)
    expect(text).toContain('https://keys.example.com')
    expect(text).toContain(deriveRootKey(key).fingerprint)
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThan(120)
  })

  test('a typing error, two lines exchanged, a line left out and two kits mixed are named, without what was typed', () => {
    const lines = kitLines(key)
    const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
    // Each single character, replaced by each other digit.
    for (let line = 0; line < 4; line++) {
      for (let i = 0; i < lines[line]!.length; i++) {
        if (lines[line]![i] === '-') continue
        const digit = digits[(digits.indexOf(lines[line]![i]!) + 5) % 32]!
        const wrong = lines.with(line, lines[line]!.slice(0, i) + digit + lines[line]!.slice(i + 1))
        expect(() => parseRecoveryKit(wrong.join('\n'))).toThrow(
          `line ${line + 1} of the recovery kit is not right`,
        )
      }
    }
    expect(() => parseRecoveryKit([lines[1], lines[0], lines[2], lines[3]].join('\n'))).toThrow('line 1')
    expect(() => parseRecoveryKit(lines.slice(0, 3).join('\n'))).toThrow(
      'line 4 of the recovery kit is missing',
    )
    expect(() => parseRecoveryKit('')).toThrow('line 1 of the recovery kit is missing')
    const other = formatRecoveryKit(randomBytes(32), heading)
    const mixed = other.replace(
      /^ {4}[1-4] {3}.*$/gm,
      (line) => `    ${line.trim()[0]}   ${lines[Number(line.trim()[0]) - 1]}`,
    )
    expect(() => parseRecoveryKit(mixed)).toThrow('its fingerprint is of another one')
    try {
      parseRecoveryKit(lines.with(2, lines[0]!).join('\n'))
    } catch (error) {
      expect(String(error)).not.toContain(lines[0])
    }
  })
})

async function newPlace(database: TestDatabase) {
  const dataDir = mkdtempSync(join(tmpdir(), 'keyhold-kit-'))
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }))
  const postgres = database === 'postgres' ? await newPostgresDatabase() : undefined
  if (postgres) onTestFinished(postgres.drop)
  return {
    dataDir,
    env: { KEYHOLD_DATA_DIR: dataDir, ...(postgres && { KEYHOLD_DATABASE_URL: postgres.url }) } as Record<
      string,
      string
    >,
  }
}

describe.each(databases)('recovery kits on %s', (database) => {
  test('an instance without a proven kit says so until one is typed back; each step is recorded (D6)', async () => {
    const { env, dataDir } = await newPlace(database)
    const { server, stop } = await startServer('sqlite', env)
    onTestFinished(stop)
    const kitHealth = async () => {
      const { status, body } = await server.request('GET', '/readyz')
      return [status, body.checks.recoveryKit]
    }
    const needs = async () => {
      const { stdout } = await runToEnd(['admin', 'status', '--json'], env)
      return JSON.parse(stdout) as { recoveryKit: string; needs: string[] }
    }
    expect(await kitHealth()).toEqual([200, 'missing: keyhold admin recovery-kit create'])
    const made = await runToEnd(['admin', 'recovery-kit', 'create'], env)
    expect(made).toMatchObject({ code: 0, stderr: expect.stringContaining('nobody has typed it back yet') })
    expect(await needs()).toMatchObject({
      recoveryKit: 'made',
      needs: [expect.stringContaining('no proven recovery kit')],
    })

    const typo = made.stdout.replace(
      /^( {4}2 {3}....-....-....-...)(.)/m,
      (_, rest, last) => rest + (last === '7' ? '8' : '7'),
    )
    const wrong = await runToEnd(['admin', 'recovery-kit', 'verify'], env, { stdin: typo })
    expect([wrong.code, wrong.stderr]).toEqual([
      1,
      'keyhold: line 2 of the recovery kit is not right: compare it with the paper\n',
    ])
    const foreign = formatRecoveryKit(randomBytes(32), heading)
    const refused = await runToEnd(['admin', 'recovery-kit', 'verify'], env, { stdin: foreign })
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('of another instance')])
    expect((await kitHealth())[1]).toMatch(/^missing/)

    const right = await runToEnd(['admin', 'recovery-kit', 'verify'], env, { stdin: made.stdout })
    expect(right).toMatchObject({ code: 0, stdout: '' })
    expect(await kitHealth()).toEqual([200, expect.stringMatching(/^ok: proven on \d{4}-\d\d-\d\d$/)])
    expect(await needs()).toMatchObject({ recoveryKit: 'proven', needs: [] })
    const records = await server.records()
    expect(records.map(({ action, outcome, actor }) => [action, outcome, actor.kind])).toEqual([
      ['recovery-kit.verify', 'success', 'operator'],
      ['recovery-kit.create', 'success', 'operator'],
    ])
    // The kit is the key itself, and in no record, log or row.
    const lines = made.stdout.match(/[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}/g)!
    const dump = `${await server.dump()}\n${server.log.join('\n')}`
    for (const line of lines)
      expect(dump.replace(readFileSync(join(dataDir, 'root.key'), 'latin1'), '')).not.toContain(line)

    // A new root key needs a new kit.
    await runToEnd(['admin', 'root-key', 'prepare'], env)
    const { stderr } = await runToEnd(['admin', 'root-key', 'activate'], env)
    expect(stderr).toContain('keyhold admin recovery-kit create')
    expect((await kitHealth())[1]).toMatch(/^missing/)
    const old = await runToEnd(['admin', 'recovery-kit', 'verify'], env, { stdin: made.stdout })
    expect(old).toMatchObject({ code: 0, stderr: expect.stringContaining('previous') })
    expect((await kitHealth())[1]).toMatch(/^missing/)
  })

  test('a lost root.key is written anew from the kit, and from no other (D6)', async () => {
    const { env, dataDir } = await newPlace(database)
    const { server, stop } = await startServer('sqlite', env)
    const person = await server.addPerson()
    await stop()
    const { stdout } = await runToEnd(['admin', 'recovery-kit', 'create'], env)
    const path = join(dataDir, 'root.key')
    const before = readFileSync(path, 'utf8')
    rmSync(path)
    const foreign = formatRecoveryKit(randomBytes(32), heading)
    const refused = await runToEnd(['admin', 'recovery-kit', 'use'], env, { stdin: foreign })
    expect([refused.code, existsSync(path)]).toEqual([1, false])
    expect(refused.stderr).toContain('needs the root key with fingerprint')
    expect(await runToEnd(['admin', 'recovery-kit', 'use'], env, { stdin: stdout })).toMatchObject({
      code: 0,
    })
    expect(readFileSync(path, 'utf8')).toBe(before)
    // One that is there stays.
    expect(await runToEnd(['admin', 'recovery-kit', 'use'], env, { stdin: stdout })).toMatchObject({
      code: 1,
    })
    expect(readFileSync(path, 'utf8')).toBe(before)
    const again = await startServer('sqlite', env)
    expect((await again.server.request('GET', '/api/v1/session', { token: person.token })).status).toBe(200)
    await again.stop()
  })
})

test('in a directory without an instance no command makes one', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'keyhold-kit-'))
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }))
  const env = { KEYHOLD_DATA_DIR: join(dataDir, 'nothing') }
  for (const line of [
    ['status'],
    ['recovery-kit', 'create'],
    ['recovery-kit', 'verify'],
    ['recovery-kit', 'use'],
  ]) {
    const { code, stderr } = await runToEnd(['admin', ...line], env)
    expect([line, code, stderr]).toEqual([line, 1, expect.stringContaining('there is no database in')])
  }
  expect(existsSync(join(dataDir, 'nothing'))).toBe(false)
})

test('at a terminal the kit is shown, and a line of it has to be typed back', async () => {
  const { env } = await newPlace('sqlite')
  const { stop } = await startServer('sqlite', env)
  onTestFinished(stop)
  const pty = spawn(process.execPath, [...serverProgram, 'admin', 'recovery-kit', 'create'], {
    env: { PATH: process.env.PATH!, ...env },
    cols: 200,
  })
  let output = ''
  const ended = new Promise<number>((resolve) => pty.onExit(({ exitCode }) => resolve(exitCode)))
  let answered = 0
  pty.onData((data) => {
    output += data
    const asked = [...output.matchAll(/line ([1-4]): /g)]
    if (asked.length <= answered) return
    answered = asked.length
    const number = Number(asked.at(-1)![1])
    const line = new RegExp(`^ {4}${number} {3}(\\S+)`, 'm').exec(output)![1]!
    // Wrong the first time.
    pty.write(`${answered === 1 ? `${line.slice(0, -1)}${line.endsWith('7') ? '8' : '7'}` : line}\r`)
  })
  expect([await ended, answered]).toEqual([0, 2])
  expect(output).toContain('is not right: compare it with the paper')
  expect(output).toContain('the recovery kit is proven')
  const { stdout } = await runToEnd(['admin', 'status', '--json'], env)
  expect(JSON.parse(stdout)).toMatchObject({ recoveryKit: 'proven' })
})
