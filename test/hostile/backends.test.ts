import { describe, expect, test } from 'vitest'
import cases from '../cases/hostile/responses.json' with { type: 'json' }
import { tcpBackend } from '../helpers/backend.ts'
import { open, raw } from '../helpers/client.ts'
import { httpConfig, startInProcess, type TestGateway } from '../helpers/gateway.ts'

interface Part {
  readonly text: string
  readonly times: number
}

interface Case {
  readonly what: string
  readonly bytes: readonly (string | Part)[]
  readonly method?: string
  /** The backend closes after these bytes. */
  readonly close?: boolean
}

const canary = 'HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\ncanary'

/** A backend that answers `/bad/<n>` with the bytes of case n, and everything else as it should. */
async function gatewayBefore(all: readonly Case[]): Promise<TestGateway> {
  const { port } = await tcpBackend((socket) => {
    let seen = ''
    socket.on('data', (chunk: Buffer) => {
      seen += chunk.toString('latin1')
      if (!seen.endsWith('\r\n\r\n')) return
      const bad = /^\w+ \/bad\/(\d+) /.exec(seen)
      seen = ''
      if (bad === null) return void socket.write(canary)
      const { bytes, close } = all[Number(bad[1])]!
      const text = bytes.map((part) => (typeof part === 'string' ? part : part.text.repeat(part.times))).join('')
      socket.write(text, 'latin1', () => close && socket.end())
    })
    socket.on('end', () => socket.end())
  })
  const upstream = { app: { timeouts: { response: '300ms', idle: '300ms' } } as never }
  return startInProcess(httpConfig([port], { upstreams: upstream }))
}

/** Messages on the wire, as a client tells them apart. */
const statusLines = (text: string): string[] => [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status!)

describe('what a hostile backend sends', async () => {
  const all = cases as readonly Case[]
  test.each(all.map((one, n) => [one.what, n] as const))('%s: no other response than its own', async (_what, n) => {
    const { method = 'GET' } = all[n]!
    const gateway = await gatewayBefore(all)
    const port = gateway.port('web')
    // Whether the connection to the client is kept or not, what comes after is its own, and so is another client's.
    const text = await raw(
      port,
      `${method} /bad/${n} HTTP/1.1\r\nhost: a\r\n\r\nGET /next HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`,
    )
    const final = statusLines(text).filter((status) => !status.startsWith('1'))
    expect(final.length).toBeLessThanOrEqual(2)
    if (final.length === 2) expect(text.endsWith('canary')).toBe(true)
    const other = await raw(port, 'GET /other HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n')
    expect(statusLines(other)).toEqual(['200'])
    expect(other.endsWith('\r\n\r\ncanary')).toBe(true)
  })

  test('all of them at once hold nothing up', async () => {
    const gateway = await gatewayBefore(all)
    const port = gateway.port('web')
    for (const [n, { method = 'GET' }] of all.entries()) {
      const socket = await open(port)
      socket.write(`${method} /bad/${n} HTTP/1.1\r\nhost: a\r\n\r\n`)
    }
    const texts = await Promise.all(
      Array.from({ length: 20 }, () => raw(port, 'GET /good HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n')),
    )
    for (const text of texts) expect(text.endsWith('\r\n\r\ncanary')).toBe(true)
  })
})
