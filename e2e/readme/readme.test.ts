import { createHmac, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { clone } from './clone.ts'
import { missingLine, readSteps } from './instructions.ts'
import { type Answer, Terminal } from './terminal.ts'

/*
 * Follows the README's quick start word for word, as a newcomer does: in a fresh copy, in three terminals, typing what
 * stands there. Only `npm ci` is done in another way, and the server listens on a port that is free.
 */

const root = join(import.meta.dirname, '../..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')

const password = 'a password of the quick start'
const token = `shop_${randomBytes(9).toString('hex')}`

test('the README, followed word for word', { timeout: 180_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-readme-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const [directory, home] = [join(folder, 'clone'), join(folder, 'home')]
  mkdirSync(home)
  clone(root, directory)

  const port = await freePort()
  const env = {
    // Without what `npm test` put there: the newcomer has the machine's own Node, old as it may be.
    PATH: (process.env.PATH ?? '')
      .split(delimiter)
      .filter((entry) => !entry.startsWith(join(root, 'node_modules')))
      .join(delimiter),
    HOME: home,
    LANG: 'C.UTF-8',
    npm_config_update_notifier: 'false',
  }
  const first = new Terminal(directory, { ...env, KEYHOLD_HTTP_ADDR: `localhost:${port}` })
  const second = new Terminal(directory, { ...env, KEYHOLD_URL: `http://localhost:${port}` })
  const third = new Terminal(directory, env)
  const terminals: Record<string, Terminal> = {
    'terminal-1': first,
    'terminal-2': second,
    'terminal-3': third,
  }
  onTestFinished(() => {
    for (const terminal of Object.values(terminals)) terminal.close()
  })

  let setupLink = ''
  let databaseUrl = ''
  /** What the README says that one is asked for, by command. */
  const answersTo = (command: string): Answer[] => {
    if (command.includes(' setup '))
      return [
        { question: /one-time code .*: /, text: setupLink },
        { question: /password, at least 15 characters: /, text: password },
        { question: /the same password again: /, text: password },
        { question: /put the root key on paper now[?].*\] /, text: 'n' },
      ]
    if (command.includes(' secret set '))
      return [
        command.includes('DATABASE_URL')
          ? { question: /value of DATABASE_URL: /, text: databaseUrl }
          : { question: /value of SHOP_API_TOKEN: /, text: token },
      ]
    return []
  }

  const steps = readSteps(readme)
  const outputs = new Map<string, string>()
  for (const step of steps) {
    let printed = ''
    for (const command of step.commands) {
      // `!`: a README that names another terminal fails here.
      const terminal = terminals[step.terminal]!
      if (terminal === first) {
        expect(command).toBe('npm ci && npm start')
        first.start('npm start')
        setupLink = (await first.sees(/http:\S+#code=\S+/))[0]
        printed += (await first.sees(/^[\s\S]*until then\.$/m))[0]
      } else if (terminal === third) {
        third.start(command)
        databaseUrl = (await third.sees(/postgres:\/\/\S+/))[0]
      } else {
        const { output, code } = await terminal.run(command, answersTo(command))
        outputs.set(command, output)
        printed += output
        expect([command, code, output]).toEqual([
          command,
          command.includes('forged.log') && command.includes('verify') ? 1 : 0,
          output,
        ])
        // The others go by what set-up stored, and by what is in the file for the machine.
        if (command.includes(' setup ')) await second.run('unset KEYHOLD_URL')
      }
    }
    // As it looks where the port is the usual one.
    const usual = printed
      .replaceAll(` --url=http://localhost:${port}`, '')
      .replaceAll(`localhost:${port}`, 'localhost:8080')
    expect([missingLine(step.promised, usual), usual]).toEqual([undefined, usual])
  }

  // Nothing that was typed unseen or delivered was shown, not even for a moment.
  for (const secret of [token, databaseUrl, new URL(databaseUrl).password, password, setupLink])
    expect(second.everything).not.toContain(secret)

  // What is left of the token is nothing at all; and the program had it.
  const runs = [...outputs].filter(([command]) => command.includes(' run '))
  expect(runs).toHaveLength(2)
  for (const [, output] of runs) {
    const [, debug, , report, signature] =
      /^(.*)\n(\d+ orders read.*)\n([\s\S]+)signature: (\S+)\n$/.exec(output) ?? []
    expect(debug).toBe('debug: SHOP_API_TOKEN=')
    expect(signature).toBe(createHmac('sha256', token).update(report!).digest('hex'))
  }

  // Verifying named the record that was changed, by one byte.
  const [original, forged] = ['audit.log', 'forged.log'].map((name) => readFileSync(join(directory, name)))
  const places = [...original!.keys()].filter((place) => original![place] !== forged![place])
  expect([forged!.length, places.length]).toEqual([original!.length, 1])
  const line = original!.subarray(0, places[0]).toString().split('\n').length
  const { index, action, target } = JSON.parse(original!.toString().split('\n')[line - 1]!.split('\t')[2]!)
  expect([action, target.name]).toEqual(['secret.create', 'SHOP_API_TOKEN'])
  expect(outputs.get('npx keyhold audit verify forged.log')).toContain(
    `keyhold: line ${line}: record ${index} was changed`,
  )

  expect(statSync(join(home, 'shop.env')).mode & 0o777).toBe(0o600)
  await Promise.all([first.interrupt(), third.interrupt()])
  await expect(fetch(`http://localhost:${port}/healthz`)).rejects.toThrow()
})

test('the README has the two commands that everything rests on', () => {
  expect(readme).toContain('\nnpm ci && npm start\n')
  expect(readme).toContain('\nnpm ci && npm test\n')
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number } // `as`: it listens on TCP.
  await new Promise((resolve) => server.close(resolve))
  return port
}
