import { expect, test } from 'vitest'
import { Fields } from '../../core/http/fields.ts'
import { isLoop, mostPasses, viaOf } from '../../core/http/via.ts'
import { echoBackend } from '../helpers/backend.ts'
import { open, send } from '../helpers/client.ts'
import { httpConfig, type Json, startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'

const listener = {
  protocol: 'http',
  address: '::',
  port: 8080,
  trustedProxies: [],
  underscores: 'refuse',
  policies: [],
  timeouts: { head: 1, keepAlive: 1 },
} as const

test('a name is the same at each start, and differs by machine, address and port', () => {
  const name = (port = 8080, machine = 'm', address = '::'): string =>
    viaOf({ web: { ...listener, port, address } }, machine).pseudonym
  expect(name()).toBe(name())
  expect(name()).toMatch(/^postern-[\da-f]{8}$/)
  expect(new Set([name(), name(81), name(8080, 'n'), name(8080, 'm', '127.0.0.1')]).size).toBe(4)
})

test.each([
  [[], 0],
  [['1.1 fred, 1.0 p.example:8080 (x)'], 0],
  [['1.1 {own}x, 1.1 x{own}, {own}, 1.1 fred ({own})'], 0],
  [['1.1 {own}'], 1],
  [['1.1 {own}, HTTP/1.1  {own} (comment)', ' 2\t{own}'], 3],
])('%j counts as %i', (values, count) => {
  const via = viaOf({ web: listener }, 'm')
  const lines = values.map((value) => value.replaceAll('{own}', via.pseudonym))
  const passes = (own: number): Fields =>
    new Fields([...lines, ...Array.from({ length: own }, () => via.entry['1.1'])].flatMap((value) => ['via', value]))
  expect(isLoop(passes(mostPasses - count), via)).toBe(true)
  if (count < mostPasses) expect(isLoop(passes(mostPasses - count - 1), via)).toBe(false)
})

test('a gateway that leads to itself ends the loop', async () => {
  const config = (port: number) => httpConfig([port])
  const running = await startInProcess(config(1))
  await running.reload(config(running.port('web')))
  const answer = await send(running.port('web'), '/')
  expect(answer.status).toBe(508)
  expect(answer.headers['content-type']).toBe('application/problem+json')
  const { pseudonym } = running.gateway.snapshot.via
  expect(answer.headers.via).toBe(Array(mostPasses).fill(`1.1 ${pseudonym}`).join(', '))
  expect(await running.record(({ outcome }) => outcome === 'LD')).toMatchObject({ status: 508 })
})

test('a chain of two gateways is not a loop, even with the same name', async () => {
  const backend = await echoBackend()
  const inner = await startInProcess(httpConfig([backend.port]))
  const outer = await startInProcess(httpConfig([inner.port('web')]))
  const answer = await send(outer.port('web'), '/')
  expect(answer.status).toBe(200)
  const { pseudonym } = inner.gateway.snapshot.via
  expect(answer.json<{ headers: Record<string, string> }>().headers.via).toBe(`1.1 ${pseudonym}, 1.1 ${pseudonym}`)
})

test('a reload that changes the pseudonym changes it on open connections too', async () => {
  const backend = await echoBackend()
  const config = (listeners: { [name: string]: Json }): Json => httpConfig([backend.port], { listeners })
  const running = await startInProcess(config({}))
  const client = await open(running.port('web'))
  const via = async (): Promise<unknown> => {
    let text = ''
    const read = (chunk: Buffer): void => {
      text += chunk.toString('latin1')
    }
    client.on('data', read).write('GET / HTTP/1.1\r\nhost: h\r\n\r\n')
    await until('the response', () => text.endsWith('}'))
    client.off('data', read)
    return (JSON.parse(text.slice(text.indexOf('\r\n\r\n'))) as { headers: { via: string } }).headers.via
  }
  const before = await via()
  await running.reload(config({ other: { address: '127.0.0.1', port: 0 } }))
  const after = await via()
  expect(after).not.toBe(before)
  expect(after).toBe(`1.1 ${running.gateway.snapshot.via.pseudonym}`)
})
