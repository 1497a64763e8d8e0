import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { echoBackend, tcpBackend } from '../helpers/backend.ts'
import { open, raw } from '../helpers/client.ts'
import { httpConfig, shareGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { measurable } from './footprint.ts'
import { arena } from './harness.ts'
import { expectUnharmed, underAttack } from './siege.ts'

const share = shareGateway()

/** CPU time of a process so far, in the kernel's ticks of 10 ms. */
function ticks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ')
  return Number(fields[11]) + Number(fields[12])
}

const many = (count: number, text: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => text(i)).join('')
const list = (count: number, text: (i: number) => string): string =>
  many(count, (i) => `${i === 0 ? '' : ', '}${text(i)}`)

/** Heads that make a proxy work, all within the limits. */
const heads: readonly (readonly [what: string, target: string, fields: string])[] = [
  ['190 fields', '/', many(190, (i) => `x-field-${i}: ${i}\r\n`)],
  ['190 lines of one field', '/', many(190, (i) => `x-field: ${i}\r\n`)],
  ['a Connection of 500 names', '/', `connection: ${list(500, (i) => `x-${i}`)}\r\n`],
  [
    '150 fields, all named by Connection',
    '/',
    `connection: ${list(150, (i) => `x-${i}`)}\r\n${many(150, (i) => `x-${i}: 1\r\n`)}`,
  ],
  ['a Cookie of 1,500 pairs', '/', `cookie: ${many(1_500, (i) => `c${i}=${i}; `)}z=1\r\n`],
  ['a query of 1,000 parameters', `/?${many(1_000, (i) => `p${i}=${i}&`)}`, ''],
  ['a path of 7,000 characters', `/${'a'.repeat(7_000)}`, ''],
  ['a path of 2,000 segments', many(2_000, () => '/a'), ''],
  ['a path of 800 letters beyond ASCII', `/${'%C3%A9'.repeat(800)}`, ''],
  ['a Via of 300 hops', '/', `via: ${list(300, (i) => `1.1 hop-${i}`)}\r\n`],
  ['1,000 hops of a trusted proxy', '/', `x-forwarded-for: ${list(1_000, (i) => `10.0.${i % 250}.1`)}\r\n`],
  ['300 elements of Forwarded', '/', `forwarded: ${list(300, () => 'for="[2001:db8::1]:4711";proto=https')}\r\n`],
  ['quotes, commas and spaces', '/', `cookie: ${'";,= '.repeat(1_200)}\r\n`],
]

test.runIf(measurable)('a head at its limits costs at most a few times what a small one does', async () => {
  const backend = await tcpBackend((socket) => {
    let text = ''
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      for (let end = text.indexOf('\r\n\r\n'); end !== -1; end = text.indexOf('\r\n\r\n')) {
        text = text.slice(end + 4)
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
      }
    })
    socket.on('end', () => socket.end())
  })
  const config = httpConfig([backend.port], {
    listeners: { web: { trustedProxies: ['127.0.0.0/8', '10.0.0.0/8'] } as never },
    // A route that looks at what the client may make long.
    routes: {
      one: {
        listener: 'web',
        upstream: 'app',
        match: { cookies: { sid: 'x' }, query: { q: 'x' }, headers: { 'x-q': '1' } },
      },
    },
  })
  const gateway = await share({ workers: 1, ...(config as object) })
  const pid = await until('the worker', () => gateway.process.workers()[0])
  const socket = await open(gateway.port('web'))
  let got = 0
  let first = ''
  socket.on('data', (chunk: Buffer) => {
    const text = chunk.toString('latin1')
    if (first === '') first = text
    got += text.split('HTTP/1.1 ').length - 1
  })
  const cost = async (target: string, fields: string): Promise<number> => {
    const request = `GET ${target} HTTP/1.1\r\nhost: a\r\n${fields}\r\n`
    let least = Number.POSITIVE_INFINITY
    for (let round = 0; round < 2; round++) {
      const before = ticks(pid)
      const from = got
      first = ''
      for (let i = 0; i < 200; i += 20) {
        socket.write(request.repeat(20), 'latin1')
        await until(`${i} responses`, () => got >= from + i + 20 || socket.destroyed)
      }
      least = Math.min(least, ticks(pid) - before)
    }
    expect(first).toMatch(/^HTTP\/1\.1 200 /)
    return least
  }
  await cost('/', '')
  // A small request is below what a tick resolves, so that the ratio is bounded from above only.
  const small = Math.max(3, await cost('/', ''))
  const ratios: Record<string, number> = {}
  for (const [what, target, fields] of heads) ratios[what] = (await cost(target, fields)) / small
  console.log(`hostile: heads at their limits: ${JSON.stringify(ratios)} × a small one`)
  for (const [what, ratio] of Object.entries(ratios)) expect(ratio, what).toBeLessThan(25)
})

describe('clients that take their time', () => {
  const head = 'host: a\r\n'
  const slow: readonly (readonly [what: string, first: string, then: string])[] = [
    ['a head, byte by byte', 'GET /good/slow HTTP/1.1\r\n', 'x'],
    ['a body of known length', `POST /good/slow HTTP/1.1\r\n${head}content-length: 100000\r\n\r\n`, 'x'],
    ['a chunk', `POST /good/slow HTTP/1.1\r\n${head}transfer-encoding: chunked\r\n\r\nffff\r\n`, 'x'],
    ['a chunk size', `POST /good/slow HTTP/1.1\r\n${head}transfer-encoding: chunked\r\n\r\n`, '0'],
    ['a chunk extension', `POST /good/slow HTTP/1.1\r\n${head}transfer-encoding: chunked\r\n\r\n1;a=`, 'b'],
    ['trailers', `POST /good/slow HTTP/1.1\r\n${head}transfer-encoding: chunked\r\n\r\n0\r\nx-`, 'y'],
    ['nothing at all', '', ''],
    ['requests, and no reading of responses', `GET /good/unread HTTP/1.1\r\n${head}\r\n`.repeat(200), ''],
  ]

  test('hold nothing up, and leave nothing behind when they go', async () => {
    const ring = await arena([])
    const sockets: Socket[] = []
    const siege = await underAttack(ring, async () => {
      for (const [, first] of slow) {
        for (let i = 0; i < 15; i++) {
          const socket = await open(ring.port)
          socket.pause()
          socket.write(first, 'latin1')
          sockets.push(socket)
        }
      }
      for (let round = 0; round < 10; round++) {
        for (const [i, socket] of sockets.entries()) socket.write(slow[Math.floor(i / 15)]![2])
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
      for (const socket of sockets) socket.destroy()
    })
    expectUnharmed('slow clients', siege, `${sockets.length} of them in ${slow.length} ways`)
  })
})

test('a connection of a thousand pipelined requests is answered in order', async () => {
  const backend = await echoBackend()
  const gateway = await share(httpConfig([backend.port]))
  const requests = many(
    1_000,
    (i) => `GET /${i} HTTP/1.1\r\nhost: a\r\n${i === 999 ? 'connection: close\r\n' : ''}\r\n`,
  )
  const text = await raw(gateway.port('web'), requests)
  const urls = [...text.matchAll(/"url":"\/(\d+)"/g)].map(([, n]) => Number(n))
  expect(urls).toEqual(Array.from({ length: 1_000 }, (_, i) => i))
})
