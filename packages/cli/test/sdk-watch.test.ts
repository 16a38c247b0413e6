// `watch` of the SDK against the real server. Here, because only the command line may start one.
import { Keyhold, type WatchInterruption } from '@keyhold/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RealServer, startRealServer } from './real-server.ts'

let server: RealServer
let person: Keyhold

beforeAll(async () => {
  server = await startRealServer()
  const { KEYHOLD_URL: url, KEYHOLD_TOKEN: token } = server.person('ada')
  person = new Keyhold({ url: url!, token: token! }, { deadlineMs: 60_000 }) // `!`: as a person has them.
})
afterAll(() => server.stop())

async function scene(name: string) {
  const { id: projectId } = await person.call('project.create', { body: { name } })
  await person.call('environment.create', { params: { projectId }, body: { name: 'staging' } })
  const { accessKey, secret } = await person.call('access-key.create', {
    params: { projectId },
    body: { permission: 'read_write' },
  })
  const connection = { url: server.url, accessKeyId: accessKey.id, accessKey: secret }
  const machine = new Keyhold(connection, {
    environment: 'staging',
    maxStalenessMs: 300_000,
    deadlineMs: 60_000,
  })
  await machine.set('API_TOKEN', 'first value')
  return { projectId, machine, accessKeyId: accessKey.id }
}

describe('R6: watch of the SDK', { timeout: 120_000 }, () => {
  test('a machine and a person are told of a change, and what is read then is not from the cache', async () => {
    const { machine, projectId } = await scene('told')
    const abort = new AbortController()
    const asPerson = person.watch({ projectId, environment: 'staging' })
    expect((await asPerson.next()).value?.isFirst).toBe(true)
    const values: string[] = []
    for await (const { isFirst } of machine.watch({ signal: abort.signal })) {
      values.push(await machine.get('API_TOKEN'))
      // By somebody else: what a client writes, it does not read from its cache in any case.
      if (isFirst)
        await person.call('secret.import', {
          params: { projectId },
          body: {
            environment: 'staging',
            existing: 'replace',
            secrets: [{ name: 'API_TOKEN', value: 'second value' }],
          },
        })
      else abort.abort()
    }
    expect(values).toEqual(['first value', 'second value'])
    expect((await asPerson.next()).value?.isFirst).toBe(false)
    await asPerson.return()
  })

  test('a server that was killed is found again, and what was missed is one version', async () => {
    const { machine } = await scene('killed')
    const interruptions: WatchInterruption[] = []
    const watch = machine.watch({ onInterrupted: (interruption) => void interruptions.push(interruption) })
    const first = await watch.next()
    const second = watch.next()
    await server.kill()
    await server.startAgain()
    await machine.set('API_TOKEN', 'second value')
    await machine.set('API_TOKEN', 'third value')
    const { value } = await second
    expect(value?.version).not.toBe(first.value?.version)
    expect(await machine.get('API_TOKEN')).toBe('third value')
    expect(interruptions.map(({ error }) => error?.code)).toContain('network.unreachable')
    await watch.return()
  })

  test('A4: a key that is no longer accepted, and an environment that is not there, are errors', async () => {
    const { machine, projectId, accessKeyId } = await scene('refused')
    const nowhere = machine.watch({ environment: 'nowhere' })
    await expect(nowhere.next()).rejects.toMatchObject({ code: 'environment.not_found', status: 404 })
    const watch = machine.watch()
    await watch.next()
    const next = watch.next()
    await person.call('access-key.deactivate', { params: { projectId, accessKeyId } })
    await expect(next).rejects.toMatchObject({ code: 'auth.required', status: 401 })
  })
})
