import { expect, test } from 'vitest'
import { httpConfig, startInProcess } from '../helpers/gateway.ts'
import { headers, requestFields } from './frames.ts'
import { encodeBlock, HpackReader } from './hpack.ts'
import { type Frame, openRaw, rawBackend } from './raw.ts'

/** Names of the fields that no table may keep. */
function neverIn({ payload }: Frame, reader: HpackReader): string[] {
  reader.read(payload)
  return reader.never.toSorted()
}

test('what one side says that no table may keep stays so behind the gateway, in both directions', async () => {
  const answer = Buffer.concat([
    encodeBlock([':status', '200', 'x-open', 'o']),
    encodeBlock(['x-session', 's', 'x-twice', 'a'], 'never'),
    encodeBlock(['x-twice', 'b', 'set-cookie', 'c']),
  ])
  const seen: Frame[] = []
  const backend = await rawBackend((peer, frame) => {
    if (frame.name !== 'HEADERS') return
    seen.push(frame)
    const trailers = encodeBlock(['x-sum', '1'], 'never')
    peer.send(headers(frame.stream, answer), headers(frame.stream, trailers, { end: true }))
  })
  const { port } = await startInProcess(
    httpConfig([backend.port], { listeners: { web: { http: ['2'] } }, upstreams: { app: { http: '2' } } }),
  )
  const client = await openRaw(port('web'))
  const plain = requestFields(['x-open', 'o', 'authorization', 'a'])
  client.send(headers(1, Buffer.concat([encodeBlock(plain), encodeBlock(['x-token', 't'], 'never')]), { end: true }))
  await client.answer(1)
  // The second block may refer to fields of the first.
  const requests = new HpackReader()
  expect(neverIn(seen[0]!, requests)).toEqual(['authorization', 'x-token'])
  const responses = new HpackReader()
  const head = await client.until('HEADERS')
  expect(neverIn(head, responses)).toEqual(['set-cookie', 'x-session', 'x-twice', 'x-twice'])
  const trailers = await client.until('HEADERS', head.index + 1)
  expect([trailers.fields, neverIn(trailers, responses)]).toEqual([['x-sum', '1'], ['x-sum']])
  // It is about that message, not about the name.
  client.send(headers(3, requestFields(['x-token', 'u']), { end: true }))
  await client.answer(3)
  expect(neverIn(seen[1]!, requests)).toEqual([])
})
