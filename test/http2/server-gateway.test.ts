import { connect } from 'node:http2'
import { expect, onTestFinished, test } from 'vitest'
import { httpBackend } from '../helpers/backend.ts'
import { httpConfig, startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { codes, request } from './frames.ts'
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
