import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Format, readSecretFile } from '../src/commands/secret/secret-file.ts'
import { run } from './kit.ts'
import { type RealServer, startRealServer } from './real-server.ts'

const values = (text: string, format: Format = 'env') => {
  const { entries, problems } = readSecretFile(text, format)
  expect(problems).toEqual([])
  return Object.fromEntries(entries.map(({ name, value }) => [name, value]))
}
const problemsOf = (text: string, format: Format = 'env') =>
  readSecretFile(text, format).problems.map(({ line, problem }) => `${line}: ${problem}`)

describe('a .env file', () => {
  test('is read as dotenv programs read it', () => {
    const text = [
      '\uFEFF# a comment',
      '',
      'PLAIN=value',
      'export EXPORTED = spaced value  # comment',
      'EMPTY=',
      "SINGLE='it is $HOME \\n # not a comment'",
      'DOUBLE="tab\\tnewline\\nquote\\" back\\\\slash"',
      'BACKTICK=`both \' and "`',
      'MANY="first',
      'second"',
      'HASH=a#b',
      'URL=postgres://u:p%40ss@h:5432/db?x=1&y=2',
      'REFERENCE=${OTHER}',
    ].join('\r\n')
    expect(values(text)).toEqual({
      PLAIN: 'value',
      EXPORTED: 'spaced value',
      EMPTY: '',
      SINGLE: 'it is $HOME \\n # not a comment',
      DOUBLE: 'tab\tnewline\nquote" back\\slash',
      BACKTICK: 'both \' and "',
      MANY: 'first\nsecond',
      HASH: 'a#b',
      URL: 'postgres://u:p%40ss@h:5432/db?x=1&y=2',
      REFERENCE: '${OTHER}',
    })
  })

  test('says for each line what is wrong, and quotes no value', () => {
    const text = 'A=1\ncanary\nA=canary\nB="canary" canary\n1C=canary\nD="canary\n'
    expect(problemsOf(text)).toEqual([
      '2: is neither NAME=value nor a comment',
      '3: A is in line 1 already',
      '4: there is something after the closing quote of B',
      '5: is neither NAME=value nor a comment',
      '6: the value of D has no closing quote',
    ])
  })

  test('any value survives double quotes with escapes (fuzzed)', () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        const escaped = value.replaceAll(/["\\]/g, '\\$&').replaceAll('\n', '\\n').replaceAll('\r', '\\r')
        expect(values(`A="${escaped}"`)).toEqual({ A: value })
      }),
    )
  })
})

describe('JSON and YAML', () => {
  test('texts are taken as they are written', () => {
    expect(values('{"A": "x\\ny", "B": 1.0, "C": true, "D": ""}', 'json')).toEqual({
      A: 'x\ny',
      B: '1.0',
      C: 'true',
      D: '',
    })
    expect(values('# comment\nA: 010\nB: yes\nC: |\n  line\n  line\nD: "q"\nE: 1e3\n', 'yaml')).toEqual({
      A: '010',
      B: 'yes',
      C: 'line\nline\n',
      D: 'q',
      E: '1e3',
    })
  })

  test('what is not text is named by its line, without its content', () => {
    expect(problemsOf('{"A": "x",\n"B": ["canary"],\n"C": null,\n"A": "canary"}', 'json')).toEqual([
      '2: the value is a list or a mapping, not text',
      '3: there is no value; an empty one is written ""',
      '4: A is in line 1 already',
    ])
    expect(problemsOf('A: 1\nB:\n', 'yaml')).toEqual(['2: there is no value; an empty one is written ""'])
    expect(problemsOf('{"A": canary}', 'json')).toEqual(['1: the file is not JSON'])
    expect(problemsOf('- canary\n', 'yaml')).toEqual(['1: the file is not a list of names with values'])
    expect(problemsOf('A: "canary\n', 'yaml').join()).not.toContain('canary')
    expect(problemsOf('', 'yaml')).toEqual(['1: the file is not a list of names with values'])
  })

  test('no text makes the reader throw (fuzzed)', () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom<Format>('env', 'json', 'yaml'), (text, format) => {
        readSecretFile(text, format)
      }),
    )
  })
})

describe('keyhold', () => {
  let server: RealServer
  let person: Record<string, string>
  let folder: string

  beforeAll(async () => {
    server = await startRealServer()
    person = { ...server.person('Ada'), KEYHOLD_PROJECT: 'shop' }
    folder = mkdtempSync(join(tmpdir(), 'keyhold-import-'))
    const post = async (path: string, body: object) => {
      const headers = { authorization: `Bearer ${person.KEYHOLD_TOKEN}`, 'content-type': 'application/json' }
      const answer = await fetch(server.url + path, { method: 'POST', headers, body: JSON.stringify(body) })
      return (await answer.json()) as { id: string }
    }
    const { id } = await post('/api/v1/projects', { name: 'shop' })
    await post(`/api/v1/projects/${id}/environments`, { name: 'staging' })
  })
  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true })
    await server.stop()
  })

  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const get = async (name: string, ...options: string[]) =>
    (await run(['secret', 'get', name, ...options], person)).stdout

  test('`secret import` stores a file whole; `--dry-run` says what it would do', async () => {
    const path = file('.env', 'API_TOKEN=first canary\nDB_PASSWORD="second canary"\n')
    const plan = await run(['secret', 'import', path, '--environment=staging', '--dry-run'], person)
    expect(plan).toMatchObject({ code: 0, stdout: 'API_TOKEN\tcreate\nDB_PASSWORD\tcreate\n' })
    const done = await run(['secret', 'import', path, '--environment=staging', '--type=password'], person)
    expect(done, done.stderr).toMatchObject({ code: 0, stdout: '' })
    expect(done.stderr).toContain('staging: 2 created, 0 updated, 0 left as they were')
    expect(await get('DB_PASSWORD', '--environment=staging')).toBe('second canary')

    const again = await run(['secret', 'import', path, '--environment=staging'], person)
    expect(again.code).toBe(1)
    expect(again.stderr).toContain('line 1: API_TOKEN is already in this environment')
    expect(again.stderr).toContain('--existing=skip')
    expect(again.stderr).not.toContain('canary')
    const piped = await run(
      ['secret', 'import', '-', '--format=json', '--environment=staging', '--existing=replace', '--json'],
      person,
      '{"API_TOKEN": "third", "DB_PASSWORD": "second canary"}',
    )
    expect(JSON.parse(piped.stdout)).toEqual({
      created: [],
      updated: ['API_TOKEN'],
      unchanged: ['DB_PASSWORD'],
    })
  })

  test('`secret import` names every wrong line, those the server refuses too, and changes nothing', async () => {
    const refused = await run(['secret', 'import', file('bad.env', 'GOOD=a value\n\nPATH=canary\n')], person)
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain('line 3: PATH ')
    const broken = await run(['secret', 'import', file('worse.env', 'GOOD=a value\ncanary\n')], person)
    expect(broken.stderr).toContain('line 2: is neither NAME=value nor a comment')
    expect(broken.stderr + refused.stderr).not.toContain('canary')
    expect((await run(['secret', 'list', '--json'], person)).stdout).not.toContain('GOOD')
    expect((await run(['secret', 'import', join(folder, 'none')], person)).stderr).toContain('ENOENT')
    expect((await run(['secret', 'import', file('empty.env', '# nothing\n')], person)).stderr).toContain(
      'no secrets',
    )
  })

  test('`secret restore` takes an earlier value again', async () => {
    for (const value of ['one', 'two', 'three'])
      await run(['secret', 'set', 'ROTATED'], person, `${value} value`)
    const restored = await run(['secret', 'restore', 'ROTATED', '--version=1', '--yes'], person)
    expect(restored.stderr).toContain('the value of version 1 again, as version 4')
    expect(await get('ROTATED')).toBe('one value')
    expect((await run(['secret', 'restore', 'ROTATED', '--version=9', '--yes'], person)).stderr).toContain(
      'secret.version_not_found',
    )
    expect((await run(['secret', 'restore', 'ROTATED'], person)).code).toBe(2)
  })

  test('`environment compare` shows what differs, and exits with 1 when something does', async () => {
    const compared = await run(['environment', 'compare', 'All', 'staging'], person)
    expect(compared.code).toBe(1)
    expect(compared.stdout).toBe('API_TOKEN\tmissing\tstaging\t\nDB_PASSWORD\tmissing\tstaging\t\n')
    const same = await run(['environment', 'compare', 'staging', 'staging'], person)
    expect(same).toMatchObject({ code: 0, stdout: '' })
    expect(same.stderr).toContain('deliver the same')
  })
})
