import { describe, expect, test } from 'vitest'
import { httpConfig, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { codes, data, goaway, headers, request, rst, windowUpdate } from './frames.ts'
import { answering, type Frame, fieldOf, openRaw, type RawHttp2Backend, type RawPeer, rawBackend } from './raw.ts'

const ok = [':status', '200']
const post = [':method', 'POST', ':path', '/odd']

interface Chain {
  readonly gateway: TestGateway
  readonly backend: RawHttp2Backend
  readonly client: RawPeer
}

/** A raw client, a gateway that speaks HTTP/2 to both sides, and a raw backend that answers `/` and says of `/odd` what the test says. */
async function chain(odd: (peer: RawPeer, frame: Frame) => void, idle = '60s'): Promise<Chain> {
  const odds = new Map<RawPeer, Set<number>>()
  const backend = await rawBackend((peer, frame) => {
    const own = odds.get(peer) ?? new Set()
    odds.set(peer, own)
    if (frame.name === 'HEADERS' && fieldOf(frame.fields, ':path') === '/odd') own.add(frame.stream)
    if (own.has(frame.stream)) odd(peer, frame)
    else answering()(peer, frame)
  })
  const sections = {
    listeners: { web: { http: ['2'] } },
    upstreams: { app: { http: '2', timeouts: { idle } } },
  }
  const gateway = await startInProcess(httpConfig([backend.port], sections))
  return { gateway, backend, client: await openRaw(gateway.port('web')) }
}

async function outcomeOf({ gateway }: Chain): Promise<unknown> {
  return (await gateway.record(({ msg, path }) => msg === 'request' && path === '/odd')).outcome
}

/** Fails unless both sessions go on. */
async function expectBoth({ client, backend }: Chain): Promise<void> {
  client.send(request(99))
  expect((await client.answer(99)).statuses).toEqual(['200'])
  expect(backend.peers).toHaveLength(1)
  expect(client.said()).not.toContain('GOAWAY')
}

/** On the head of a request. */
const onHead =
  (say: (peer: RawPeer, stream: number) => void) =>
  (peer: RawPeer, { name, stream }: Frame): void => {
    if (name === 'HEADERS') say(peer, stream)
  }

describe('a reset of the client', () => {
  test('before the response: DC, and CANCEL for the backend', async () => {
    const one = await chain(() => {})
    one.client.send(request(1, post, {}))
    await until('the request', () => one.backend.peers[0]?.frames.some(({ name }) => name === 'HEADERS'))
    one.client.send(rst(1, codes.CANCEL))
    expect(await outcomeOf(one)).toBe('DC')
    expect(await one.backend.peers[0]!.until('RST_STREAM')).toMatchObject({ code: codes.CANCEL })
    await expectBoth(one)
  })

  test('in the middle of the response: the same', async () => {
    const one = await chain(onHead((peer, id) => peer.send(headers(id, ok), data(id, 'half'))))
    one.client.send(request(1, post))
    await one.client.until('DATA')
    one.client.send(rst(1, codes.CANCEL))
    expect(await outcomeOf(one)).toBe('DC')
    expect(await one.backend.peers[0]!.until('RST_STREAM')).toMatchObject({ code: codes.CANCEL })
    await expectBoth(one)
  })
})

describe('a reset of the backend', () => {
  test.each([['CANCEL', codes.CANCEL] as const, ['INTERNAL_ERROR', 2] as const, ['NO_ERROR', 0] as const])(
    'before its head (%s): 502, UR',
    async (_name, code) => {
      const one = await chain(onHead((peer, id) => peer.send(rst(id, code))))
      one.client.send(request(1, post))
      expect(await one.client.answer(1)).toMatchObject({ statuses: ['502'], reset: undefined })
      expect(await outcomeOf(one)).toBe('UR')
      await expectBoth(one)
    },
  )

  test.each<[string, (id: number) => Buffer[], string]>([
    ['after its head', (id) => [headers(id, ok)], ''],
    ['in the middle of its body', (id) => [headers(id, ok), data(id, 'half')], 'half'],
    ['at the end of a body of which nothing says so', (id) => [headers(id, ok), data(id, 'all')], 'all'],
    [
      'when all of the announced length has come',
      (id) => [headers(id, [...ok, 'content-length', '3']), data(id, 'all')],
      'all',
    ],
  ])('%s: cut, never complete, UR', async (_what, say, body) => {
    const one = await chain(
      onHead((peer, id) => {
        peer.send(...say(id))
        void peer.settled().then(() => peer.send(rst(id, codes.CANCEL)))
      }),
    )
    one.client.send(request(1, post))
    const answer = await one.client.answer(1)
    expect([answer.statuses, String(answer.body), answer.reset]).toEqual([['200'], body, codes.INTERNAL_ERROR])
    expect(one.client.frames.filter(({ stream, isEnd }) => stream === 1 && isEnd)).toEqual([])
    expect(await outcomeOf(one)).toBe('UR')
    await expectBoth(one)
  })

  test('with NO_ERROR after a complete response: that is complete, the upload is dropped', async () => {
    const one = await chain(
      onHead((peer, id) => peer.send(headers(id, ok), data(id, 'all', { end: true }), rst(id, 0))),
    )
    one.client.send(request(1, post, {}), data(1, 'some'))
    const answer = await one.client.answer(1)
    expect([answer.statuses, String(answer.body), answer.reset]).toEqual([['200'], 'all', undefined])
    expect((await one.client.until('RST_STREAM')).code).toBe(codes.NO_ERROR)
    one.client.send(data(1, 'still under way'))
    expect(await outcomeOf(one)).toBe('')
    await expectBoth(one)
  })

  test.each<[string, (peer: RawPeer, id: number) => void]>([
    ['REFUSED_STREAM', (peer, id) => peer.send(rst(id, 7))],
    ['a GOAWAY below the stream', (peer, id) => peer.send(goaway(id - 2, 0))],
  ])('by %s: the request was never processed, and is sent again, whatever its method', async (_what, say) => {
    let asked = 0
    const one = await chain(
      onHead((peer, id) => {
        if (++asked === 1) say(peer, id)
        else peer.send(headers(id, ok), data(id, 'again', { end: true }))
      }),
    )
    one.client.send(request(1, [':path', '/']))
    await one.client.answer(1)
    one.client.send(request(3, post))
    const answer = await one.client.answer(3)
    expect([answer.statuses, String(answer.body)]).toEqual([['200'], 'again'])
    expect(await outcomeOf(one)).toBe('')
    expect(asked).toBe(2)
  })
})

describe('what is malformed', () => {
  test('of the client: PROTOCOL_ERROR, DPE, and nothing for the backend', async () => {
    const one = await chain(() => {})
    one.client.send(request(1, [...post, 'X', 'y']))
    expect(await one.client.answer(1)).toMatchObject({ statuses: [], reset: codes.PROTOCOL_ERROR })
    expect(await outcomeOf(one)).toBe('DPE')
    await expectBoth(one)
    expect(one.backend.peers[0]!.frames.filter(({ name }) => name === 'HEADERS')).toHaveLength(1)
  })

  test('in the middle of an upload: PROTOCOL_ERROR, and CANCEL for the backend', async () => {
    const one = await chain(() => {})
    one.client.send(request(1, [...post, 'content-length', '3'], {}), data(1, 'ab'))
    await until('the upload', () => one.backend.peers[0]?.frames.some(({ name }) => name === 'DATA'))
    one.client.send(data(1, 'cd'))
    expect((await one.client.answer(1)).reset).toBe(codes.PROTOCOL_ERROR)
    expect((await one.backend.peers[0]!.until('RST_STREAM')).code).not.toBe(codes.NO_ERROR)
    await expectBoth(one)
  })

  test('of the backend: 502, UPE, and PROTOCOL_ERROR for it', async () => {
    const one = await chain(onHead((peer, id) => peer.send(headers(id, [...ok, 'X', 'y'], { end: true }))))
    one.client.send(request(1, post))
    expect(await one.client.answer(1)).toMatchObject({ statuses: ['502'] })
    expect(await outcomeOf(one)).toBe('UPE')
    expect(await one.backend.peers[0]!.until('RST_STREAM')).toMatchObject({ code: codes.PROTOCOL_ERROR })
    await expectBoth(one)
  })
})

test('what the gateway itself breaks off: INTERNAL_ERROR', async () => {
  const one = await chain(
    onHead((peer, id) => peer.send(headers(id, ok), data(id, 'half'))),
    '100ms',
  )
  one.client.send(request(1, post))
  expect(await one.client.answer(1)).toMatchObject({ statuses: ['200'], reset: codes.INTERNAL_ERROR })
  expect(await outcomeOf(one)).toBe('SI')
  expect(await one.backend.peers[0]!.until('RST_STREAM')).toMatchObject({ code: codes.CANCEL })
  await expectBoth(one)
})

test('a complete answer before the upload is: NO_ERROR', async () => {
  const one = await chain(onHead((peer, id) => peer.send(headers(id, ok), data(id, 'all', { end: true }))))
  one.client.send(request(1, post, {}), data(1, 'some'))
  const answer = await one.client.answer(1)
  expect([answer.statuses, String(answer.body), answer.reset]).toEqual([['200'], 'all', undefined])
  expect((await one.client.until('RST_STREAM')).code).toBe(codes.NO_ERROR)
  expect(await outcomeOf(one)).toBe('')
  await expectBoth(one)
})

describe('a response that a window of the client holds back: SI, and the session goes on', () => {
  const sections = {
    listeners: { web: { http: ['2'], timeouts: { idle: '200ms' } } },
    upstreams: { app: { http: '2' } },
  } as never

  test('the window of its stream', async () => {
    const backend = await rawBackend(answering('x'.repeat(100)))
    const gateway = await startInProcess(httpConfig([backend.port], sections))
    const client = await openRaw(gateway.port('web'), { settings: { initialWindowSize: 10 }, credit: false })
    client.send(request(1, post))
    expect(await client.answer(1)).toMatchObject({ statuses: ['200'], reset: codes.INTERNAL_ERROR })
    expect(await outcomeOf({ gateway, backend, client })).toBe('SI')
    await client.settled()
    expect(client.said()).not.toContain('GOAWAY')
  })

  test('that of the connection, which one stream has used up', async () => {
    const backend = await rawBackend(answering('x'.repeat(16_000)))
    const gateway = await startInProcess(httpConfig([backend.port], sections))
    const client = await openRaw(gateway.port('web'), { settings: { initialWindowSize: 1_000_000 }, credit: false })
    // 65,535 bytes are there: four whole responses and a part.
    client.send(...[1, 3, 5, 7, 9].map((id) => request(id, post)))
    for (const id of [1, 3, 5, 7]) expect((await client.answer(id)).reset).toBeUndefined()
    expect(await client.answer(9)).toMatchObject({ statuses: ['200'], reset: codes.INTERNAL_ERROR })
    await gateway.record(({ msg, outcome }) => msg === 'request' && outcome === 'SI')
    client.send(windowUpdate(0, 100_000), request(11, post))
    expect(String((await client.answer(11)).body)).toBe('x'.repeat(16_000))
  })

  test('a window that is opened byte by byte is none that holds back, without minRate', async () => {
    const backend = await rawBackend(answering('x'.repeat(100)))
    const gateway = await startInProcess(httpConfig([backend.port], sections))
    const client = await openRaw(gateway.port('web'), { settings: { initialWindowSize: 60 }, credit: false })
    client.send(request(1, post))
    for (let i = 0; i < 40; i++) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      client.send(windowUpdate(1, 1))
    }
    expect(String((await client.answer(1)).body)).toBe('x'.repeat(100))
    expect(await outcomeOf({ gateway, backend, client })).toBe('')
  })
})
