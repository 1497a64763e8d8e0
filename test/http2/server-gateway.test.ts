import { connect } from 'node:http2'
import { expect, onTestFinished, test } from 'vitest'
import { httpBackend } from '../helpers/backend.ts'
import { open } from '../helpers/client.ts'
import { httpConfig, startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { collect } from '../http1/raw-backend.ts'
import { codes, ping, request, settingsAck, windowUpdate } from './frames.ts'
import { openRaw } from './raw.ts'

const http2 = { listeners: { web: { http: ['1.1', '2'] } } }

test('a request that its client cancels is cancelled at its backend, too, and the others are not', async () => {
  const waiting = new Set<string>()
  const left: string[] = []
  const { port: backend } = await httpBackend((asked, answer) => {
    waiting.add(asked.url!)
    answer.on('close', () => void (answer.writableEnded || left.push(asked.url!)))
    if (asked.url === '/slow') void until('its turn', () => left.length > 0).then(() => answer.end('slow'))
  })
  const { port, record } = await startInProcess(httpConfig([backend], http2))
  const session = connect(`http://127.0.0.1:${port('web')}`)
  onTestFinished(() => session.destroy())
  const kept = session.request({ ':path': '/slow' })
  const given = session.request({ ':path': '/never' })
  given.on('error', () => {})
  await until('both', () => waiting.size === 2)
  given.close(codes.CANCEL)
  const chunks: Buffer[] = []
  kept.on('data', (chunk: Buffer) => chunks.push(chunk))
  await new Promise((resolve) => kept.on('end', resolve))
  expect([Buffer.concat(chunks).toString(), left]).toEqual(['slow', ['/never']])
  expect(await record((line) => line.msg === 'request' && line.path === '/never')).toMatchObject({ outcome: 'DC' })
})

test('what is malformed is logged with its first words, and the connection goes on', async () => {
  const { port: backend } = await httpBackend((_, answer) => void answer.end('ok'))
  const { port, record } = await startInProcess(httpConfig([backend], http2))
  const client = await openRaw(port('web'))
  client.send(request(1, [':path', '/bad', 'connection', 'close']), request(3))
  expect((await client.answer(1)).reset).toBe(codes.PROTOCOL_ERROR)
  expect(String((await client.answer(3)).body)).toBe('ok')
  const line = await record(({ outcome }) => outcome === 'DPE')
  expect(line).toMatchObject({ method: 'GET', path: '/bad' })
})

test('a drain serves what is under way, and says so to idle clients', async () => {
  const answers: (() => void)[] = []
  const { port: backend } = await httpBackend((_, answer) => void answers.push(() => void answer.end('ok')))
  const { port, drain } = await startInProcess(httpConfig([backend], http2))
  const client = await openRaw(port('web'))
  const idle = await openRaw(port('web'))
  await idle.settled()
  client.send(request(1))
  await until('the request', () => answers.length === 1)
  const drained = drain()
  await client.until('GOAWAY')
  answers[0]!()
  expect(String((await client.answer(1)).body)).toBe('ok')
  await drained
  expect(await idle.until('GOAWAY')).toMatchObject({ code: codes.NO_ERROR })
})

test('a drain waits until idle clients have read its announcement, and serves what crosses it', async () => {
  const { port: backend } = await httpBackend((_, answer) => void answer.end('ok'))
  const { port, drain } = await startInProcess(httpConfig([backend], http2))
  const client = await openRaw(port('web'), { acks: false })
  client.send(settingsAck(), request(1))
  await client.answer(1)
  let isOver = false
  const drained = drain().then(() => {
    isOver = true
  })
  const first = await client.until('GOAWAY')
  expect(first.lastStream).toBe(0x7fffffff)
  const probe = await client.until('PING', first.index)
  client.send(request(3))
  expect(String((await client.answer(3)).body)).toBe('ok')
  expect(isOver).toBe(false)
  client.send(ping(probe.payload, true))
  expect(await client.until('GOAWAY', first.index + 1)).toMatchObject({ code: codes.NO_ERROR, lastStream: 3 })
  expect(await client.ended()).toBe('fin')
  client.socket.end()
  await drained
})

test.each(['1.1', '2'])(
  'a drain does not cut off a last response that the kernel still has, over HTTP/%s',
  async (version) => {
    const body = 'x'.repeat(200_000)
    const { port: backend } = await httpBackend((_, answer) => void answer.end(body))
    const { port, record, drain } = await startInProcess(httpConfig([backend], http2))
    const client =
      version === '2' ? await openRaw(port('web'), { settings: { initialWindowSize: 1_000_000 } }) : undefined
    const socket = client?.socket ?? (await open(port('web')))
    if (client !== undefined) {
      client.send(windowUpdate(0, 1_000_000))
      await client.settled()
    }
    const got = collect(socket)
    socket.pause()
    socket.write(client === undefined ? 'GET / HTTP/1.1\r\nhost: a\r\n\r\n' : request(1))
    await record(({ msg }) => msg === 'request')
    const drained = drain()
    // A client that says nothing has 2 s.
    if (client === undefined) await drained
    socket.resume()
    await until('all of it', () => got.text.split('x').length > 200_000 && got.end !== undefined)
    expect(got.end).toBe('fin')
    socket.end()
    await drained
  },
)
