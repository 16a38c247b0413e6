import { describe, expect, test } from 'vitest'
import { accessKey, environmentFor, keyhold, node, run, start, startServer, TerminalRun } from './kit.ts'

const value = 'ghp_Zq81LmQx7canary0W'
const modes = {
  'a pipe': async (program: string, env: Record<string, string>, args: string[] = []) => {
    const { stdout } = await run(['run', ...args, '--', node, '-e', program], env)
    return stdout
  },
  'a terminal': async (program: string, env: Record<string, string>, args: string[] = []) => {
    const terminal = new TerminalRun(keyhold, ['run', ...args, '--', node, '-e', program], env)
    await terminal.ended
    return terminal.output.replaceAll('\r\n', '\n')
  },
}

for (const [mode, output] of Object.entries(modes)) {
  describe(`C11: what the child prints through ${mode}`, () => {
    test('the value comes out blank; the process has it', async () => {
      const server = await startServer([{ name: 'GITHUB_TOKEN', value }])
      const program = 'console.log(`<${process.env.GITHUB_TOKEN}> ${process.env.GITHUB_TOKEN.length}`)'
      expect(await output(program, environmentFor(server))).toBe(`<> ${value.length}\n`)
    })

    test('--mask=label shows the name, --no-mask the value', async () => {
      const server = await startServer([{ name: 'GITHUB_TOKEN', value }])
      const program = 'console.log(`<${process.env.GITHUB_TOKEN}>`)'
      const env = environmentFor(server)
      expect(await output(program, env, ['--mask=label'])).toBe('<[GITHUB_TOKEN]>\n')
      expect(await output(program, env, ['--no-mask'])).toBe(`<${value}>\n`)
    })

    test('written byte by byte', async () => {
      const server = await startServer([{ name: 'GITHUB_TOKEN', value }])
      const program = `const bytes = [...('<' + process.env.GITHUB_TOKEN + '>\\n')]
        const next = () => { if (bytes.length) process.stdout.write(bytes.shift(), () => setTimeout(next, 5)) }
        next()`
      expect(await output(program, environmentFor(server))).toBe('<>\n')
    })

    test('with half a second between its halves', async () => {
      const server = await startServer([{ name: 'GITHUB_TOKEN', value }])
      const program = `const v = process.env.GITHUB_TOKEN
        process.stdout.write('<' + v.slice(0, 12)); setTimeout(() => process.stdout.write(v.slice(12) + '>\\n'), 500)`
      expect(await output(program, environmentFor(server))).not.toContain(value.slice(0, 12))
    })

    test('base64 of it', async () => {
      const server = await startServer([{ name: 'GITHUB_TOKEN', value }])
      const program = 'console.log(Buffer.from(process.env.GITHUB_TOKEN).toString("base64"))'
      const encoded = Buffer.from(value).toString('base64')
      expect(await output(program, environmentFor(server))).not.toContain(encoded.slice(0, 16))
    })

    test('several lines of a key', async () => {
      const key =
        '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nAQEFAASCBKcwggSjAgEAAoIB\n-----END PRIVATE KEY-----\n'
      const server = await startServer([{ name: 'SIGNING', type: 'key', value: key }])
      const shown = await output('console.log(process.env.SIGNING)', environmentFor(server))
      expect(shown).not.toContain('MIIEvQIBADANBgkqhkiG9w0B')
      expect(shown).not.toContain('AQEFAASCBKcwggSjAgEAAoIB')
    })

    test('the contents of a secret file', async () => {
      const server = await startServer([{ name: 'CERT', type: 'file', value: 'canary-file-contents-77' }])
      const program = 'console.log("<" + require("node:fs").readFileSync(process.env.CERT, "utf8") + ">")'
      expect(await output(program, environmentFor(server))).toBe('<>\n')
    })
  })
}

test('M7: output without a value is byte for byte the same', async () => {
  const server = await startServer([{ name: 'GITHUB_TOKEN', value }])
  const program =
    'process.stdout.write(Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 7919) & 255)).toString("latin1"))'
  const masked = await run(['run', '--', node, '-e', program], environmentFor(server))
  const plain = await run(['run', '--no-mask', '--', node, '-e', program], environmentFor(server))
  expect(masked.stdout === plain.stdout).toBe(true)
})

test('stdout and stderr are masked apart', async () => {
  const server = await startServer([{ name: 'GITHUB_TOKEN', value }])
  const program = `const v = process.env.GITHUB_TOKEN
    process.stdout.write('out ' + v.slice(0, 9)); process.stderr.write('err ' + v.slice(0, 5))
    setTimeout(() => { process.stderr.write(v.slice(5) + ' end\\n'); process.stdout.write(v.slice(9) + ' end\\n') }, 50)`
  const result = await run(['run', '--', node, '-e', program], environmentFor(server))
  expect(result).toMatchObject({ stdout: 'out  end\n', stderr: 'err  end\n' })
})

test('C18: what is too short or an ordinary word is not masked, and said once by name', async () => {
  const server = await startServer([
    { name: 'NODE_ENV', value: 'production' },
    { name: 'PIN', value: '123' },
    { name: 'GITHUB_TOKEN', value },
  ])
  const result = await run(
    ['run', '--', 'sh', '-c', 'echo "$NODE_ENV $PIN $GITHUB_TOKEN."'],
    environmentFor(server),
  )
  expect(result.stdout).toBe('production 123 .\n')
  expect(result.stderr).toBe(
    'keyhold: not masked in the output, because too short or an ordinary word: NODE_ENV, PIN\n',
  )
})

test('M9: with debug on, no value and no credential is in what keyhold says, failing or not', async () => {
  const server = await startServer([{ name: 'GITHUB_TOKEN', value }])
  const env = environmentFor(server, { KEYHOLD_DEBUG: '1', NODE_DEBUG: '' })
  const said: string[] = []
  said.push((await run(['run', '--', 'true'], env)).stderr)
  expect(said[0]).toContain('GITHUB_TOKEN')
  server.secrets = [{ name: 'GITHUB_TOKEN', value: `${value}\0` }]
  said.push((await run(['run', '--', 'true'], env)).stderr)
  server.secrets = [{ name: 'LD_PRELOAD', value }]
  said.push((await run(['run', '--', 'true'], env)).stderr)
  server.secrets = [
    { name: 'A', value: Buffer.alloc(100_000, value) },
    ...Array.from({ length: 40 }, (_, i) => ({ name: `B${i}`, value: Buffer.alloc(100_000, value) })),
  ]
  const tooLong = await run(['run', '--no-mask', '--', 'true'], env)
  expect(tooLong.code).toBe(126)
  said.push(tooLong.stderr)
  server.answer = (req, res) => {
    res.writeHead(500)
    res.end(`oops ${req.headers.authorization} ${value}`)
  }
  said.push((await run(['run', '--', 'true'], env)).stderr)
  for (const text of said) {
    expect(text).not.toContain('canary')
    expect(text).not.toContain(accessKey)
    expect(text).not.toContain(Buffer.from(accessKey).toString('base64').slice(4, 16))
  }
})

test('when keyhold is killed, nothing unmasked has left through a pipe', async () => {
  const server = await startServer([{ name: 'GITHUB_TOKEN', value }])
  const program = `const v = process.env.GITHUB_TOKEN
    process.stdout.write('pid ' + process.pid + '\\n' + v + v.slice(0, 20) + '\\n')
    setInterval(() => {}, 1000)`
  const running = start(['run', '--', node, '-e', program], environmentFor(server))
  const [, pid] = await running.sees(/pid (\d+)\n/)
  running.child.kill('SIGKILL')
  process.kill(Number(pid), 'SIGKILL')
  await running.ended
  expect(running.stdout).not.toContain(value)
})
