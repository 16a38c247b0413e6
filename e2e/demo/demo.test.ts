import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { SECRET } from './scene.ts'

test('npm run demo: stock ssh enters, git clones by both ways and signs, a program reads a secret, and all of it is in the log', {
  timeout: 180_000,
}, async () => {
  const child = spawn(process.execPath, [`${import.meta.dirname}/main.ts`, '--once'], { stdio: 'pipe' })
  onTestFinished(() => void child.kill())
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (piece: string) => {
      text += piece
    })
  const [code] = await once(child, 'close')
  expect([code, text]).toEqual([0, expect.anything()])
  expect(text).toMatch(/^ {2}ssh -J \S+ \S+@ws-\w+$/m)
  expect(text).toContain('Good "git" signature for ada@example.com')
  expect(text).toMatch(/^[0-9a-f]{7} pay$/m)
  expect(text).toContain(`paying with , ${SECRET.value.length} characters`)
  expect(text).not.toContain(SECRET.value)
  for (const line of [
    'SSH connection:',
    'Repository token used',
    'SSH identity used',
    `Secret used: ${SECRET.name} (app.js:2)`,
  ])
    expect([line, text.includes(line)]).toEqual([line, true])
})
