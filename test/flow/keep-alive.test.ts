import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { tcpBackend } from '../helpers/backend.ts'
import { open } from '../helpers/client.ts'
import { type Json, startInProcess } from '../helpers/gateway.ts'
import { ok, rawBackend } from '../http1/raw-backend.ts'
import { exchange } from './wire.ts'

function config(
  protocol: string,
  port: number,
  listener: { [key: string]: Json },
  upstream: { [key: string]: Json },
): Json {
  return {
    listeners: { web: { protocol, address: '127.0.0.1', port: 0, ...listener } },
    routes: { all: { listener: 'web', upstream: 'app' } },
    upstreams: { app: { protocol, backends: [{ address: `127.0.0.1:${port}` }], health: false, ...upstream } },
  }
}

/** Timer of the kernel for the connections between two ports, and seconds until it fires; 2 is keep-alive. */
function timers(local: number, remote: number): { kind: number; seconds: number }[] {
  const hex = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0')
  return readFileSync('/proc/self/net/tcp', 'latin1')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((parts) => (parts[1] ?? '').endsWith(`:${hex(local)}`) && (parts[2] ?? '').endsWith(`:${hex(remote)}`))
    .map(([, , , , , timer = '00:00']) => timer.split(':').map((text) => Number.parseInt(text, 16)))
    .map(([kind = 0, ticks = 0]) => ({ kind, seconds: ticks / 100 }))
}

const request = 'GET / HTTP/1.1\r\nhost: h\r\n\r\n'

describe.skipIf(process.platform !== 'linux')('keepAlive', () => {
  test('is set on the connections of clients and to backends, and a reload changes it for new ones', async () => {
    let from = 0
    const backend = await tcpBackend((socket) => {
      from = socket.remotePort ?? 0
      socket.on('error', () => {}).write('hello')
    })
    const kept = { idle: '100s', interval: '5s', count: 3 }
    const gateway = await startInProcess(
      config('tcp', backend.port, { keepAlive: kept }, { keepAlive: { ...kept, idle: '200s' } }),
    )
    const port = gateway.port('web')
    const opened = async (): Promise<number> => {
      const client = connect(port, '127.0.0.1').on('error', () => {})
      await new Promise((resolve) => client.once('data', resolve))
      return client.localPort ?? 0
    }
    const [timer] = timers(port, await opened())
    expect(timer!.kind).toBe(2)
    expect(timer!.seconds).toBeGreaterThan(50)
    expect(timer!.seconds).toBeLessThanOrEqual(100)
    const [toBackend] = timers(from, backend.port)
    expect(toBackend!.kind).toBe(2)
    expect(toBackend!.seconds).toBeGreaterThan(100)
    await gateway.reload(config('tcp', backend.port, {}, {}))
    expect(timers(port, await opened()).map(({ kind }) => kind)).toEqual([0])
    expect(timers(from, backend.port).map(({ kind }) => kind)).toEqual([0])
  })

  test('is off unless it is asked for', async () => {
    const backend = await rawBackend((socket) => void socket.write(ok))
    const gateway = await startInProcess(config('http', backend.port, {}, {}))
    const client = await open(gateway.port('web'))
    expect(timers(gateway.port('web'), client.localPort ?? 0).map(({ kind }) => kind)).toEqual([0])
  })
})

describe('source', () => {
  test.each(['http', 'tcp'])('is where connections to %s backends come from', async (protocol) => {
    const seen: (string | undefined)[] = []
    const backend = await rawBackend((socket) => {
      seen.push(socket.remoteAddress)
      socket.write(ok)
    })
    const gateway = await startInProcess(config(protocol, backend.port, {}, { source: '127.0.0.9' }))
    await exchange(gateway.port('web'), request, /ok$/)
    expect(seen).toEqual(['127.0.0.9'])
  })

  test('that this host does not have makes the backend unreachable, and says so', async () => {
    const backend = await rawBackend((socket) => void socket.write(ok))
    const gateway = await startInProcess(config('http', backend.port, {}, { source: '192.0.2.1' }))
    expect((await exchange(gateway.port('web'), request, /\r\n\r\n/)).text).toMatch(/^HTTP\/1\.1 502 /)
    const { cause } = await gateway.record(({ outcome }) => outcome === 'UF')
    expect(cause).toContain('EADDRNOTAVAIL')
  })
})
