import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { connect, createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { root } from '../rules/sources.ts'
import { codes, data, request, rst } from './frames.ts'
import { HpackReader } from './hpack.ts'
import { answering, fieldOf, openRaw, rawBackend } from './raw.ts'

test('the raw client speaks to node', async () => {
  const server = createServer((incoming, response) => {
    incoming.on('data', () => {})
    incoming.on('end', () => {
      response.setHeader('x-path', incoming.url)
      response.addTrailers({ 'x-sum': '1' })
      response.end(Buffer.alloc(200_000, 'x'))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const client = await openRaw((server.address() as AddressInfo).port)
  client.send(request(1, [':method', 'POST', ':path', '/one'], { split: 7 }), data(1, 'abc', { end: true, padding: 9 }))
  const answer = await client.answer(1)
  expect(answer.statuses).toEqual(['200'])
  expect(fieldOf(answer.fields, 'x-path')).toBe('/one')
  expect(answer.body.length).toBe(200_000)
  expect(answer.trailers).toEqual(['x-sum', '1'])
  await client.settled()
  client.socket.end()
})

test('the raw backend speaks to node', async () => {
  const backend = await rawBackend(answering('hello', ['x-own', 'y'.repeat(40)]))
  const session = connect(`http://127.0.0.1:${backend.port}`)
  onTestFinished(() => session.destroy())
  const ask = async (path: string): Promise<string> => {
    const stream = session.request({ ':path': path, 'user-agent': 'a long agent/1.0 (X11)' })
    let text = ''
    for await (const chunk of stream) text += String(chunk)
    return text
  }
  expect(await ask('/one')).toBe('hello')
  expect(await ask('/two')).toBe('hello')
  const heads = backend.peers[0]!.frames.filter(({ name }) => name === 'HEADERS').map(({ fields }) => fields)
  expect(heads.map((fields) => fieldOf(fields, ':path'))).toEqual(['/one', '/two'])
  expect(fieldOf(heads[1]!, 'user-agent')).toBe('a long agent/1.0 (X11)')
})

test('a reset is told with its code', async () => {
  const backend = await rawBackend((peer, frame) => {
    if (frame.name === 'HEADERS') peer.send(rst(frame.stream, codes.REFUSED_STREAM))
  })
  const client = await openRaw(backend.port, { settings: false })
  client.send(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), request(1))
  expect((await client.answer(1)).reset).toBe(codes.REFUSED_STREAM)
})

interface Story {
  readonly cases: readonly { readonly wire: string; readonly headers: readonly Record<string, string>[] }[]
}

test('the reader of HPACK reads the stories of nghttp2', () => {
  const folder = join(root, '../shared/vectors/hpack/nghttp2')
  if (!existsSync(folder)) return void process.stderr.write(`left out, for want of ${folder}: stories of HPACK\n`)
  for (const file of readdirSync(folder)) {
    const { cases } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Story
    const reader = new HpackReader()
    for (const { wire, headers } of cases) {
      const list = reader.read(Buffer.from(wire, 'hex'))
      expect(Buffer.from(list.join('\n'), 'latin1').toString()).toBe(
        headers.flatMap((one) => Object.entries(one).flat()).join('\n'),
      )
    }
  }
})
