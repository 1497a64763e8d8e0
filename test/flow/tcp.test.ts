import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { deadPort, tcpBackend } from '../helpers/backend.ts'
import { drained, open } from '../helpers/client.ts'
import { type Json, startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'

function tcpConfig(ports: readonly number[], upstream: { [name: string]: Json } = {}): Json {
  return {
    listeners: { db: { protocol: 'tcp', address: '127.0.0.1', port: 0 } },
    routes: { database: { listener: 'db', upstream: 'pool' } },
    upstreams: {
      pool: {
        protocol: 'tcp',
        backends: ports.map((port) => ({ address: `127.0.0.1:${port}` })),
        health: false,
        ...upstream,
      },
    },
  }
}

describe('a tcp listener', () => {
  it('carries bytes both ways and forwards a half-close', async () => {
    const backend = await tcpBackend((socket) => {
      let text = ''
      socket.on('data', (chunk) => {
        text += chunk.toString()
      })
      // Answers only once the client has ended its side.
      socket.on('end', () => socket.end(`heard ${text}`))
    })
    const { port, record } = await startInProcess(tcpConfig([backend.port]))
    const socket = await open(port('db'))
    const answer = drained(socket)
    socket.end('hello')
    expect(await answer).toBe('heard hello')
    const logged = await record((line) => line.msg === 'connection')
    expect(logged).toMatchObject({
      listener: 'db',
      route: 'database',
      upstream: 'pool',
      outcome: '',
      bytesIn: 5,
      bytesOut: 11,
    })
  })

  it('carries large amounts unchanged', async () => {
    const backend = await tcpBackend((socket) => void socket.pipe(socket))
    const { port } = await startInProcess(tcpConfig([backend.port]))
    const body = randomBytes(8 << 20)
    const socket = await open(port('db'))
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.end(body)
    await new Promise((resolve) => socket.on('end', resolve))
    expect(Buffer.concat(chunks).equals(body)).toBe(true)
  })

  it('ends a connection whose backend takes nothing any more, after the limit on writes', async () => {
    const backend = await tcpBackend((socket) => void socket.on('error', () => {}).pause())
    const { port, record } = await startInProcess(tcpConfig([backend.port], { timeouts: { write: '1s' } }))
    const socket = await open(port('db'))
    const ended = new Promise((resolve) => socket.on('error', () => {}).on('close', resolve))
    socket.resume().write(Buffer.alloc(20 << 20))
    await ended
    const logged = await record((line) => line.msg === 'connection')
    expect(logged).toMatchObject({ outcome: 'SI', cause: 'the backend acknowledges nothing for 1000 ms' })
  })

  it('tries another backend when one refuses', async () => {
    const backend = await tcpBackend((socket) => void socket.end('here'))
    const { port } = await startInProcess(tcpConfig([await deadPort(), backend.port]))
    for (let i = 0; i < 4; i++) expect(await drained(await open(port('db')))).toBe('here')
  })

  it('closes the connection when nothing can be reached, and says why', async () => {
    const { port, record } = await startInProcess(tcpConfig([await deadPort()]))
    expect(await drained(await open(port('db')))).toBe('')
    expect((await record((line) => line.msg === 'connection')).outcome).toBe('UF')
  })

  it('ends a connection on which nothing moves', async () => {
    const backend = await tcpBackend(() => {})
    const { port, record } = await startInProcess(tcpConfig([backend.port], { timeouts: { idle: '100ms' } }))
    await drained(await open(port('db')))
    expect((await record((line) => line.msg === 'connection')).outcome).toBe('SI')
  })

  it('spreads connections by the balance of the upstream', async () => {
    const one = await tcpBackend((socket) => void socket.write('1'))
    const two = await tcpBackend((socket) => void socket.write('2'))
    const { port } = await startInProcess(tcpConfig([one.port, two.port], { balance: 'least-connections' }))
    const first = async (): Promise<string> => {
      const socket = await open(port('db'))
      return new Promise((resolve) => socket.once('data', (chunk: Buffer) => resolve(chunk.toString())))
    }
    const seen = [await first(), await first(), await first(), await first()]
    expect(seen.filter((name) => name === '1')).toHaveLength(2)
  })

  it('leaves open connections alone across a reload, and ends those whose route is gone', async () => {
    const backend = await tcpBackend((socket) => void socket.pipe(socket))
    const kept = { other: { protocol: 'tcp', address: '127.0.0.1', port: 0 } }
    const config = (routes: { [name: string]: Json }, upstreams: { [name: string]: Json }): Json => ({
      listeners: { db: { protocol: 'tcp', address: '127.0.0.1', port: 0 }, ...kept },
      routes,
      upstreams,
      drain: '50ms',
    })
    const pool = { protocol: 'tcp', backends: [{ address: `127.0.0.1:${backend.port}` }], health: false }
    const both = { one: { listener: 'db', upstream: 'pool' }, two: { listener: 'other', upstream: 'pool' } }
    const { port, reload } = await startInProcess(config(both, { pool }))
    const [stays, goes] = [await open(port('db')), await open(port('other'))]
    let echoed = ''
    stays.on('data', (chunk: Buffer) => {
      echoed += chunk.toString()
    })
    const ended = drained(goes)
    stays.write('a')
    goes.write('a')
    await until('the echo', () => echoed === 'a')
    await reload(config({ one: both.one }, { pool }))
    await ended
    stays.write('b')
    await until('the echo after the reload', () => echoed === 'ab')
  })
})
