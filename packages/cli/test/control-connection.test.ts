import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { ControlConnection } from '../src/agent/control-connection.ts'
import { machineGitConfig } from '../src/agent/git-configuration.ts'

test('somebody with 50 of the largest keys is let in, and the agent stays connected', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  onTestFinished(() => server.close())
  await once(server, 'listening')
  const keys = Array.from({ length: 50 }, () => `ssh-rsa ${'A'.repeat(2760)}`)
  server.on('connection', (socket) => socket.send(JSON.stringify({ type: 'open', keys })))
  const { port } = server.address() as { port: number } // `as`: it listens on TCP.
  const connection = await ControlConnection.open({
    ...{
      url: `http://127.0.0.1:${port}`,
      token: 'x',
      loginName: 'ann',
      release: '1.0.0',
      applied: undefined,
    },
  })
  onTestFinished(() => connection.close())
  const heard = await Promise.race([
    new Promise((resolve) => {
      connection.onMessage = resolve
    }),
    connection.ended,
  ])
  expect(heard).toEqual({ type: 'open', keys })
})

test('an agent that was started in a session of another does not take the file of that one for the machine’s', () => {
  const { PATH } = process.env
  const machine = machineGitConfig({ PATH }, '/run/own')
  expect(machineGitConfig({ PATH, GIT_CONFIG_SYSTEM: '/run/./own' }, '/run/own')).toBe(machine)
  expect(machineGitConfig({ PATH, GIT_CONFIG_SYSTEM: '/srv/gitconfig' }, '/run/own')).toBe('/srv/gitconfig')
})
