import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { performance } from 'node:perf_hooks'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { ConnectionAge } from '../../core/net/connection-age.ts'
import { echoBackend, httpBackend } from '../helpers/backend.ts'
import { open } from '../helpers/client.ts'
import { httpConfig, type Json, startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { collect } from '../http1/raw-backend.ts'
import { codes, request } from '../http2/frames.ts'
import { openRaw, type RawPeer } from '../http2/raw.ts'

const get = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n'
/** Longest possible life of a connection with the shortest age that is allowed. */
const longest = 1_150

const listenerOf = (port: number, limits: Json): Json =>
  httpConfig([port], { listeners: { web: { http: ['1.1', '2'], limits } } })

/** One after the other; how many were served before the end. */
async function served(port: number, count: number): Promise<{ responses: number; text: string }> {
  const socket = await open(port)
  const got = collect(socket)
  const responses = (): number => got.text.split('HTTP/1.1 200 ').length - 1
  for (let sent = 1; sent <= count && got.end === undefined; sent++) {
    socket.write(get)
    await until('a response', () => responses() === sent || got.end !== undefined)
    if (/\r\nconnection: close\r\n/.test(got.text)) await until('the end', () => got.end !== undefined)
  }
  return { responses: responses(), text: got.text }
}

/** A second GOAWAY, and the last request that is served. */
async function lastServed(client: RawPeer): Promise<number | undefined> {
  const first = await client.until('GOAWAY')
  expect(first).toMatchObject({ code: codes.NO_ERROR, lastStream: 0x7fffffff })
  return (await client.until('GOAWAY', first.index + 1)).lastStream
}

describe('limits of a listener', () => {
  test('requestsPerConnection: the last response announces the end, and a reload changes the limit', async () => {
    const backend = await echoBackend()
    const { port, reload } = await startInProcess(listenerOf(backend.port, { requestsPerConnection: 3 }))
    const { responses, text } = await served(port('web'), 5)
    expect(responses).toBe(3)
    expect(text.split('\r\nconnection: close\r\n')).toHaveLength(2)
    const client = await openRaw(port('web'))
    for (const stream of [1, 3, 5]) {
      client.send(request(stream))
      expect((await client.answer(stream)).statuses).toEqual(['200'])
    }
    expect(await lastServed(client)).toBe(5)
    expect(await client.ended()).toBe('fin')
    await reload(listenerOf(backend.port, { requestsPerConnection: 1 }))
    expect((await served(port('web'), 2)).responses).toBe(1)
    await reload(httpConfig([backend.port]))
    expect((await served(port('web'), 5)).responses).toBe(5)
  })

  test('connectionAge: what is old announces its end with the next response', async () => {
    const backend = await echoBackend()
    const { port, reload } = await startInProcess(listenerOf(backend.port, { connectionAge: '1h' }))
    const [socket, client] = [await open(port('web')), await openRaw(port('web'))]
    const got = collect(socket)
    socket.write(get)
    client.send(request(1))
    await client.answer(1)
    await until('a response', () => got.text.includes('HTTP/1.1 200 '))
    expect(got.text).not.toContain('connection: close')
    // The age counts from the beginning of a connection, whenever the limit came.
    await reload(listenerOf(backend.port, { connectionAge: '1s' }))
    await new Promise((resolve) => setTimeout(resolve, longest))
    socket.write(get)
    client.send(request(3))
    expect((await client.answer(3)).statuses).toEqual(['200'])
    expect(await lastServed(client)).toBe(3)
    await until('the end', () => got.end === 'fin')
    expect(got.text).toContain('connection: close')
  })
})

test('connectionAge of an upstream: old connections take no more requests, over both versions, also after a reload', async () => {
  const ports = { '1.1': new Set<number>(), '2': new Set<number>() }
  const one = await httpBackend((asked, answer) => {
    ports['1.1'].add(asked.socket.remotePort!)
    answer.end()
  })
  const two = createHttp2Server()
  two.on('stream', (stream: ServerHttp2Stream) => {
    ports['2'].add(stream.session!.socket.remotePort!)
    stream.respond({ ':status': 200 }, { endStream: true })
  })
  await new Promise<void>((resolve) => two.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void two.close())
  const config = (limits?: Json): Json => {
    const backends = (port: number): Json => [{ address: `127.0.0.1:${port}` }]
    return {
      listeners: { web: { port: 0 } },
      routes: {
        one: { listener: 'web', match: { path: '/1.1' }, upstream: 'one' },
        two: { listener: 'web', match: { path: '/2' }, upstream: 'two' },
      },
      upstreams: {
        one: { backends: backends(one.port), ...(limits && { limits }) },
        two: { http: '2', backends: backends((two.address() as AddressInfo).port), ...(limits && { limits }) },
      },
    }
  }
  const { port, reload } = await startInProcess(config())
  const client = await open(port('web'))
  const got = collect(client)
  let asked = 0
  const ask = async (): Promise<number[]> => {
    for (const version of ['1.1', '2']) {
      client.write(`GET /${version} HTTP/1.1\r\nhost: a\r\n\r\n`)
      asked++
      await until('a response', () => got.text.split('HTTP/1.1 200 ').length - 1 === asked)
    }
    return [ports['1.1'].size, ports['2'].size]
  }
  await ask()
  expect(await ask()).toEqual([1, 1])
  await new Promise((resolve) => setTimeout(resolve, longest))
  await reload(config({ connectionAge: '1s' }))
  // The request that finds its connection too old is the last one on it.
  await ask()
  expect(await ask()).toEqual([2, 2])
  expect(await ask()).toEqual([2, 2])
})

test('connections that began together do not end together', () => {
  vi.spyOn(performance, 'now').mockReturnValue(0)
  onTestFinished(() => void vi.restoreAllMocks())
  const ages = Array.from({ length: 400 }, () => new ConnectionAge())
  const over = (now: number): number => {
    vi.spyOn(performance, 'now').mockReturnValue(now)
    return ages.filter((age) => age.isOver(1000)).length
  }
  expect(over(899)).toBe(0)
  expect(over(1000)).toBeGreaterThan(100)
  expect(over(1000)).toBeLessThan(300)
  expect(over(1101)).toBe(400)
  expect(ages.some((age) => age.isOver(Number.POSITIVE_INFINITY))).toBe(false)
})
