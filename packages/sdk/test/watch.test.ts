import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type StreamEvent, streamEvents } from '../src/event-stream.ts'
import { Keyhold, KeyholdError, type WatchInterruption } from '../src/sdk.ts'

// That the real server speaks like this is tested with it: packages/cli/test/sdk-watch.test.ts.

const token = 'kh_pat_canaryCANARY0123456789'

/** Answers each connection as it is told, in order; the last answer is for all that follow. */
async function startStreams(...answers: ((res: ServerResponse) => void)[]) {
  const requests: { path: string; headers: NodeJS.Dict<string | string[]> }[] = []
  const server = createServer((req, res) => {
    requests.push({ path: req.url ?? '', headers: req.headers })
    const answer = answers.length > 1 ? answers.shift() : answers[0]
    answer?.(res)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}` // `as`: it listens on TCP.
  return { requests, keyhold: new Keyhold({ url, token }) }
}

const event = (version: string) => `id: ${version}\nevent: version\ndata: ${version}\n\n`
const begin = (res: ServerResponse) => res.writeHead(200, { 'content-type': 'text/event-stream' })
const saying = (text: string) => (res: ServerResponse) => void begin(res).write(text)
const problem = (status: number, code: string) => (res: ServerResponse) =>
  void res
    .writeHead(status, { 'content-type': 'application/problem+json' })
    .end(JSON.stringify({ type: 'about:blank', title: 'No', status, code, traceId: 'x' }))

describe('watch', () => {
  test('R6: gives the first version at once, and those that follow; a comment and the same again are none', async () => {
    const { keyhold, requests } = await startStreams((res) => {
      begin(res).write(`retry: 3000\n${event('one')}:\n\n`)
      res.write(event('one') + event('two'))
    })
    const watch = keyhold.watch({ projectId: 'prj_1', environment: 'staging' })
    expect((await watch.next()).value).toEqual({ version: 'one', isFirst: true })
    expect((await watch.next()).value).toEqual({ version: 'two', isFirst: false })
    await watch.return()
    expect(requests).toHaveLength(1)
    expect(requests[0]!.path).toBe('/api/v1/projects/prj_1/changes?environment=staging')
    expect(requests[0]!.headers).toMatchObject({
      accept: 'text/event-stream',
      authorization: `Bearer ${token}`,
    })
  })

  test.each<[string, ((res: ServerResponse) => void)[], (string | undefined)[]]>([
    [
      'a connection that broke, and nobody there, as often as one attempt tries',
      [
        (res) => {
          begin(res).write(event('one'))
          setImmediate(() => res.destroy())
        },
        ...Array.from({ length: 4 }, () => (res: ServerResponse) => void res.destroy()),
      ],
      ['network.unreachable', 'network.unreachable'],
    ],
    [
      'a gateway’s word, and something else than Keyhold',
      [
        (res) => void begin(res).end(event('one')),
        (res) => void res.writeHead(404, { 'content-type': 'text/html' }).end('<h1>Not found'),
        (res) => void res.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Welcome'),
      ],
      [undefined, 'integrity.answer', 'integrity.answer'],
    ],
  ])(
    'R6: past %s it is made again, told with why, and says only what is new',
    async (_what, answers, codes) => {
      const { keyhold, requests } = await startStreams(...answers, saying(event('one') + event('two')))
      const interruptions: WatchInterruption[] = []
      const onInterrupted = (interruption: WatchInterruption) => void interruptions.push(interruption)
      const seen: string[] = []
      for await (const { version } of keyhold.watch({ projectId: 'prj_1', onInterrupted })) {
        seen.push(version)
        if (version === 'two') break
      }
      expect(seen).toEqual(['one', 'two'])
      expect(requests).toHaveLength(answers.length + 1)
      expect(interruptions.map(({ error }) => error?.code)).toEqual(codes)
      // Longer each time, at random from the half of it.
      for (const [i, { retryMs }] of interruptions.entries()) {
        expect(retryMs).toBeGreaterThanOrEqual(1000 * 2 ** i)
        expect(retryMs).toBeLessThan(2000 * 2 ** i)
      }
    },
    60_000,
  )

  test.each([
    [401, 'auth.required'],
    [403, 'access.scope_missing'],
    [404, 'environment.not_found'],
  ])('a no of Keyhold’s (%i %s) is thrown, and not asked again', async (status, code) => {
    const { keyhold, requests } = await startStreams(
      (res) => void begin(res).end(event('one')),
      problem(status, code),
    )
    const watch = keyhold.watch({ projectId: 'prj_1' })
    await watch.next()
    await expect(watch.next()).rejects.toMatchObject({ code, status })
    expect((await watch.next()).done).toBe(true)
    expect(requests).toHaveLength(2)
  })

  test('a server that is full is asked again when it said, and no sooner', async () => {
    const { keyhold } = await startStreams((res) => {
      res.setHeader('retry-after', '60')
      problem(429, 'rate.limited')(res)
    })
    const abort = new AbortController()
    const { promise: interrupted, resolve } = Promise.withResolvers<WatchInterruption>()
    const watch = keyhold.watch({ projectId: 'prj_1', signal: abort.signal, onInterrupted: resolve })
    const next = watch.next()
    const { error, retryMs } = await interrupted
    expect(error?.code).toBe('rate.limited')
    expect(retryMs).toBeGreaterThan(60_000)
    abort.abort()
    expect((await next).done).toBe(true)
  })

  test('the signal ends it without an error, while it waits and before it began; the client’s gives it up', async () => {
    const { keyhold, requests } = await startStreams(saying(event('one')))
    const abort = new AbortController()
    const watch = keyhold.watch({ projectId: 'prj_1', signal: abort.signal })
    await watch.next()
    const next = watch.next()
    abort.abort()
    expect((await next).done).toBe(true)
    expect((await keyhold.watch({ projectId: 'prj_1', signal: abort.signal }).next()).done).toBe(true)
    expect(requests).toHaveLength(1)
    const all = new AbortController()
    const other = new Keyhold({ url: keyhold.url, token }, { signal: all.signal }).watch({
      projectId: 'prj_1',
    })
    await other.next()
    const given = other.next()
    all.abort()
    await expect(given).rejects.toMatchObject({ code: 'network.aborted' })
  })

  test('whoever is busy gets the newest version alone', async () => {
    let stream: ServerResponse | undefined
    const { keyhold } = await startStreams((res) => {
      stream = res
      begin(res).write(event('one'))
    })
    // By its end the stream has been read, whoever was busy meanwhile.
    const isRead = Promise.withResolvers<void>()
    const watch = keyhold.watch({ projectId: 'prj_1', onInterrupted: () => isRead.resolve() })
    await watch.next()
    stream?.write(event('two'))
    stream?.end(event('three'))
    await isRead.promise
    expect((await watch.next()).value?.version).toBe('three')
    await watch.return()
  })

  test('a machine has one project, a person names one', async () => {
    const { keyhold } = await startStreams(saying(event('one')))
    const machine = new Keyhold({ url: keyhold.url, accessKeyId: 'ak_1', accessKey: 'kh_key_1' })
    const code = (client: Keyhold, projectId?: string) =>
      client
        .watch({ projectId })
        .next()
        .then(
          () => 'success',
          (error: unknown) => (error instanceof KeyholdError ? error.code : error),
        )
    expect(await code(keyhold)).toBe('configuration.invalid')
    expect(await code(machine, 'prj_1')).toBe('configuration.invalid')
    expect(await code(machine)).toBe('success')
  })
})

describe('events of a stream', () => {
  const read = async (...pieces: (string | Uint8Array)[]) => {
    const encoder = new TextEncoder()
    async function* bytes() {
      for (const piece of pieces) yield typeof piece === 'string' ? encoder.encode(piece) : piece
    }
    const events: StreamEvent[] = []
    for await (const event of streamEvents(bytes())) events.push(event)
    return events
  }

  test('are the same wherever the bytes are cut, also within a character, and with CRLF (HTML standard, 9.2.6)', async () => {
    const text =
      ': comment\n\nretry: 1\n\nevent: version\nid: 1\ndata: één\n\ndata:two\ndata: lines\n\nevent: x\n\n'
    const expected = [
      { type: 'version', data: 'één' },
      { type: 'message', data: 'two\nlines' },
    ]
    for (const form of [text, text.replaceAll('\n', '\r\n')]) {
      const bytes = new TextEncoder().encode(form)
      for (let at = 0; at <= bytes.length; at++)
        expect(await read(bytes.subarray(0, at), bytes.subarray(at))).toEqual(expected)
    }
  })

  test('an event that is not ended is none, and one without end is refused', async () => {
    expect(await read('event: version\ndata: half')).toEqual([])
    await expect(read(`data: ${'x'.repeat(70_000)}`)).rejects.toMatchObject({ code: 'integrity.answer' })
    await expect(read(...Array(70).fill(`data: ${'x'.repeat(1000)}\n`))).rejects.toMatchObject({
      code: 'integrity.answer',
    })
  })
})
