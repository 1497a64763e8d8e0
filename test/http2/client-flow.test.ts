import { describe, expect, test } from 'vitest'
import { memoryGateway } from '../memory/gateway.ts'
import { poolOf } from './asking.ts'
import { codes, data, goaway, headers, rst } from './frames.ts'
import { answering, type Frame, type RawPeer, rawBackend } from './raw.ts'

const ok = [':status', '200']

/** What a client of the gateway sees of a backend that speaks HTTP/2. */
async function through(onFrame: (peer: RawPeer, frame: Frame) => unknown) {
  const backend = await rawBackend((peer, frame) => void onFrame(peer, frame))
  return { backend, ...(await memoryGateway([poolOf(backend.port)])) }
}

/** Does something else for the first request. */
function first(odd: (peer: RawPeer, frame: Frame) => void): (peer: RawPeer, frame: Frame) => void {
  let seen: string | undefined
  return (peer, frame) => {
    if (frame.stream === 0) return
    seen ??= `${peer.socket.remotePort} ${frame.stream}`
    if (seen === `${peer.socket.remotePort} ${frame.stream}`) odd(peer, frame)
    else answering()(peer, frame)
  }
}

const post = { method: 'POST', body: ['some body'] }

describe('what a backend has not processed is sent again, whatever the method', () => {
  test.each<[string, (peer: RawPeer, frame: Frame) => void]>([
    [
      'REFUSED_STREAM on the head',
      (peer, { name, stream }) => name === 'HEADERS' && peer.send(rst(stream, codes.REFUSED_STREAM)),
    ],
    ['REFUSED_STREAM on the body', (peer, { isEnd, stream }) => isEnd && peer.send(rst(stream, codes.REFUSED_STREAM))],
    ['GOAWAY on the head', (peer, { name }) => name === 'HEADERS' && peer.send(goaway(0))],
    ['GOAWAY on the body', (peer, { isEnd }) => isEnd && peer.send(goaway(0))],
    [
      'GOAWAY and the end of the connection',
      (peer, { isEnd }) => {
        if (!isEnd) return
        peer.send(goaway(0))
        peer.socket.end()
      },
    ],
  ])('%s', async (_what, odd) => {
    const { send, end, backend } = await through(first(odd))
    expect(await send(post)).toMatchObject({ status: 200, body: 'ok' })
    expect((await end()).flow.outcome).toBe('')
    expect((await backend.peers.at(-1)!.answer(1)).body.toString()).toBe('some body')
  })
})

describe('errors', () => {
  test.each<[string, (id: number) => Buffer[][], number, string, string]>([
    ['a reset before the head', (id) => [[rst(id)]], 502, 'UR', 'sent'],
    ['a reset after the head', (id) => [[headers(id, ok), data(id, 'half')], [rst(id)]], 200, 'UR', 'aborted'],
    ['a reset with the head', (id) => [[headers(id, ok), data(id, 'half'), rst(id)]], 502, 'UR', 'sent'],
    ['a malformed head', (id) => [[headers(id, ['x', 'y'], { end: true })]], 502, 'UPE', 'sent'],
    [
      'a body that is too short',
      (id) => [[headers(id, [...ok, 'content-length', '9']), data(id, 'half')], [data(id, '', { end: true })]],
      200,
      'UPE',
      'aborted',
    ],
    [
      'NO_ERROR after the end',
      (id) => [[headers(id, ok), data(id, 'all', { end: true }), rst(id, 0)]],
      200,
      '',
      'sent',
    ],
  ])('%s', async (_what, turns, status, outcome, ending) => {
    const { send, end, backend } = await through(async (peer, { name, stream }) => {
      if (name !== 'HEADERS') return
      const [first = [], ...later] = turns(stream)
      peer.send(...first)
      for (const frames of later) {
        await peer.settled()
        peer.send(...frames)
      }
    })
    expect(await send({ method: 'POST', body: ['abc'] })).toMatchObject({ status, outcome: ending })
    expect((await end()).flow.outcome).toBe(outcome)
    expect(backend.peers).toHaveLength(1)
  })

  test('a client that leaves: CANCEL', async () => {
    const { begin, end, backend } = await through((peer, { name }) => {
      if (name === 'HEADERS') exchange.leave()
      void peer
    })
    const exchange = begin()
    expect((await end()).flow.outcome).toBe('DC')
    expect((await backend.peers[0]!.until('RST_STREAM')).code).toBe(codes.CANCEL)
  })
})
