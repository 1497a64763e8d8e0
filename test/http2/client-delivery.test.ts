import { expect, test } from 'vitest'
import type { UpstreamExchange } from '../../core/http/upstream-exchange.ts'
import type { Delivery } from '../../core/net/delivery.ts'
import { until } from '../helpers/until.ts'
import { ask, poolOf } from './asking.ts'
import { windowUpdate } from './frames.ts'
import { rawBackend } from './raw.ts'

function look(exchange: UpstreamExchange): Promise<Delivery> {
  return new Promise((resolve) => exchange.delivery(resolve))
}

test('what others send is no progress of a stream that its window holds back', async () => {
  const backend = await rawBackend(() => {}, { credit: false })
  const pool = poolOf(backend.port)
  const held = await ask(pool, { method: 'POST', body: true }).told('wanted')
  const other = await ask(pool, { method: 'POST', body: true }).told('wanted')
  const peer = backend.peers[0]!
  const got = (stream: number): number =>
    peer.frames
      .filter((one) => one.name === 'DATA' && one.stream === stream)
      .reduce((sum, { payload }) => sum + payload.length, 0)
  peer.send(windowUpdate(0, 10_000_000))
  await peer.settled()
  held.exchange.write(Buffer.alloc(100_000, 'a'))
  await until('all that the window allows', () => got(1) === 65_535)
  const before = await look(held.exchange)
  expect(before.left).toBeGreaterThanOrEqual(100_000 - 65_535)
  for (let turn = 0; turn < 3; turn++) {
    other.exchange.write(Buffer.alloc(20_000, 'b'))
    await until('the other one', () => got(3) === Math.min(65_535, 20_000 * (turn + 1)))
    const { taken, left } = await look(held.exchange)
    expect(taken).toBe(before.taken)
    expect(left).toBeGreaterThanOrEqual(100_000 - 65_535)
  }
  peer.send(windowUpdate(1, 1_000_000))
  await until('the rest', () => got(1) === 100_000)
  expect((await look(held.exchange)).taken).toBeGreaterThan(before.taken)
  let isAll = false
  await until('that nothing is left', () => {
    void look(held.exchange).then(({ left }) => {
      isAll ||= left === 0
    })
    return isAll
  })
  // What follows on the session is not of this stream.
  peer.send(windowUpdate(3, 10_000_000))
  other.exchange.write(Buffer.alloc(200_000, 'b'))
  expect((await look(held.exchange)).left).toBe(0)
})
