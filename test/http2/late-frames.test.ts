import { expect, test } from 'vitest'
import { codes, data, headers, request, requestFields, windowUpdate } from './frames.ts'
import { connect, send, serve } from './plain.ts'
import { answering, rawBackend } from './raw.ts'

const upload = headers(1, requestFields([':path', '/wait']))

test('an upload of many small frames, refused, does not cost its connection', async () => {
  const { peer, connection } = await serve()
  peer.send(upload)
  await peer.settled()
  connection.made[0]!.reset(codes.NO_ERROR)
  for (let i = 0; i < 1_300; i++) peer.send(data(1, 'x'.repeat(50)))
  peer.send(request(3))
  expect((await peer.answer(3)).body.toString()).toBe('hello')
})

test('empty frames of a refused upload do', async () => {
  const { peer, connection } = await serve()
  peer.send(upload)
  await peer.settled()
  connection.made[0]!.reset(codes.NO_ERROR)
  for (let i = 0; i < 700; i++) peer.send(data(1, ''))
  expect((await peer.until('GOAWAY')).code).toBe(codes.ENHANCE_YOUR_CALM)
})

test('a refused upload is remembered though hundreds of other streams have ended since', async () => {
  const { peer, connection } = await serve()
  peer.send(upload)
  await peer.settled()
  connection.made[0]!.reset(codes.NO_ERROR)
  for (let id = 3; id < 603; id += 2) {
    peer.send(request(id))
    await peer.answer(id)
  }
  peer.send(data(1, 'still under way'), request(603))
  expect((await peer.answer(603)).body.toString()).toBe('hello')
})

test('a backend that gives credit for requests that it has answered does not lose its connection', async () => {
  const answer = answering('body')
  const backend = await rawBackend((peer, frame) => {
    answer(peer, frame)
    if (frame.name === 'HEADERS') peer.send(windowUpdate(frame.stream, 1), windowUpdate(0, 1))
  })
  const connection = await connect(backend.port)
  for (let i = 0; i < 1_500; i++) {
    const stream = send(connection)
    while (!stream.told.includes('end')) await new Promise(setImmediate)
  }
  expect(connection.isOpen).toBe(true)
})

test('a backend that answers requests that were cancelled does not lose its connection', async () => {
  const backend = await rawBackend(answering('body'))
  const connection = await connect(backend.port)
  for (let i = 0; i < 700; i++) {
    const stream = send(connection)
    connection.flush()
    stream.reset(codes.CANCEL)
  }
  await new Promise<void>((resolve) => connection.ping(resolve))
  expect(connection.isOpen).toBe(true)
  const stream = send(connection)
  while (!stream.told.includes('end')) await new Promise(setImmediate)
  expect(stream.body).toBe('body')
})
