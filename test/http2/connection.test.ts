import { expect, test } from 'vitest'
import { data, headers, request, requestFields } from './frames.ts'
import { connect, send, serve } from './plain.ts'
import { answering, rawBackend } from './raw.ts'

test('a request is answered, and the connection stays', async () => {
  const { peer, connection } = await serve()
  peer.send(request(1), request(3, [':path', '/empty']))
  expect(await peer.answer(1)).toMatchObject({ statuses: ['200'], body: Buffer.from('hello'), reset: undefined })
  expect((await peer.answer(3)).body.length).toBe(0)
  // The head took END_STREAM.
  expect(peer.frames.filter(({ stream }) => stream === 3)).toMatchObject([{ name: 'HEADERS', isEnd: true }])
  await peer.settled()
  expect(connection.streams.size).toBe(0)
  expect(connection.made.map(({ told }) => told)).toEqual([['flushed'], ['flushed']])
})

test('a body comes and goes, with trailers', async () => {
  const { peer, connection } = await serve()
  peer.send(
    headers(1, requestFields([':path', '/echo'])),
    data(1, 'abc', { padding: 5 }),
    data(1, 'def'),
    headers(1, ['x-sum', '6'], { end: true }),
  )
  expect((await peer.answer(1)).body.toString()).toBe('abcdef')
  await peer.settled()
  expect(connection.made[0]!.told).toEqual(['data', 'fields x-sum end', 'end', 'flushed'])
})

test('a client sends requests and reads responses', async () => {
  const backend = await rawBackend(answering('body'))
  const connection = await connect(backend.port)
  const streams = [send(connection), send(connection)]
  await backend.peers[0]?.settled()
  while (streams.some(({ told }) => !told.includes('end'))) await new Promise(setImmediate)
  expect(streams.map(({ id, body, isOpen }) => [id, body, isOpen])).toEqual([
    [1, 'body', false],
    [3, 'body', false],
  ])
})

test('a large body goes out as the windows of its stream and its connection allow', async () => {
  const { peer } = await serve()
  peer.send(request(1, [':path', '/large']))
  expect((await peer.answer(1)).body.length).toBe(200_000)
})
