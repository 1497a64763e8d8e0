import type { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { until } from '../helpers/until.ts'
import { collect, type RawBackend, type Received, rawBackend } from './raw-backend.ts'
import { type Relay, startRelay } from './relay.ts'
import { open } from './transport.ts'

const kept = (path: string): string => `GET /${path} HTTP/1.1\r\nhost: h\r\n\r\n`
const last = (path: string): string => `GET /${path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n`
const old = (path: string, more = ''): string => `GET /${path} HTTP/1.0\r\nhost: h\r\n${more}\r\n`
const chunked = (sent: string, connection = 'close'): string =>
  `POST /p HTTP/1.1\r\nhost: h\r\nconnection: ${connection}\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n${sent}`
const post = (sent: string, version = '1.1', connection = 'close'): string =>
  `POST /p HTTP/${version}\r\nhost: h\r\nconnection: ${connection}\r\ncontent-length: 5\r\n\r\n${sent}`

/** Answers each request with its path, and not before the client has ended its side. */
function late(ended: () => boolean): Promise<RawBackend> {
  return rawBackend((socket, seen) => {
    const path = [...seen.matchAll(/(?:GET|POST) (\S+) HTTP/g)].at(-1)![1]!
    const wait = (): void => {
      if (ended()) socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${path.length}\r\n\r\n${path}`)
      else setTimeout(wait, 5)
    }
    const isWhole = seen.endsWith('\r\n\r\n') && !seen.endsWith('chunked\r\n\r\n')
    if (isWhole || seen.endsWith('\r\n\r\nhello')) wait()
  })
}

interface Scene {
  readonly relay: Relay
  readonly backend: RawBackend
  readonly client: Socket
  readonly got: Received
}

/** A client sends these bytes and ends its side. The answers are held back until the gateway has seen that. */
async function speak(bytes: string, halfClose: Relay['halfClose'] = 'cancel'): Promise<Scene> {
  const ended = (): boolean => [...relay.connections].every(({ stream }) => stream.hasEnded)
  const backend = await late(ended)
  const relay = await startRelay(backend.port)
  relay.halfClose = halfClose
  const client = await open(relay.port)
  const got = collect(client)
  client.end(bytes)
  await until('an end', () => got.end)
  await until('nothing left', () => relay.connections.size === 0)
  return { relay, backend, client, got }
}

/** The paths that were answered. */
const answered = ({ got }: Scene): string[] => [...got.text.matchAll(/\r\n\r\n(\/[a-z])/g)].map(([, path]) => path!)

describe('a client that ends its side while it is answered', () => {
  test.each([
    ['HTTP/1.0', old('a'), ['/a']],
    ['HTTP/1.0 with keep-alive', old('a', 'connection: keep-alive\r\n'), ['/a']],
    ['Connection: close', last('a'), ['/a']],
    ['a whole body', post('hello'), ['/p']],
    ['several, the last of which is the last', kept('a') + kept('b') + last('c'), ['/a', '/b', '/c']],
    ['a body in the middle', kept('a') + post('hello', '1.1', 'keep-alive') + old('c'), ['/a', '/p', '/c']],
    [
      'bodies in chunks',
      kept('a') + chunked('0\r\nx: 1\r\n\r\n', 'keep-alive') + chunked('0\r\n\r\n'),
      ['/a', '/p', '/p'],
    ],
    ['a body in chunks that waits for the backend', chunked('0\r\n\r\n', 'keep-alive') + last('c'), ['/p', '/c']],
    ['the rest of a chunk too', chunked('1\r\n!\r\n0\r\n\r\n', 'keep-alive') + old('c'), ['/p', '/c']],
    ['what follows the last is not read', last('a') + kept('b'), ['/a']],
  ])('and announced it gets all its answers: %s', async (_what, bytes, paths) => {
    const scene = await speak(bytes)
    expect(answered(scene)).toEqual(paths)
    expect(scene.got.end).toBe('fin')
    expect(scene.relay.ends).toEqual(paths.map(() => 'sent'))
  })

  test.each([
    ['kept alive', kept('a')],
    ['several, kept alive', kept('a') + kept('b')],
    ['a last one that is cut', `${kept('a')}GET /b HTTP/1.0\r\nho`],
    ['a last one whose body is cut', kept('a') + post('hel')],
    ['a last one that is malformed', `${kept('a')}GET /b HTTP/1.1\r\nx : y\r\nconnection: close\r\n\r\n`],
    ['a last one that is cut in its trailers', kept('a') + chunked('0\r\nx: 1\r\n')],
    ['one before the last is cut in its trailers', `${kept('a')}${chunked('0\r\nx', 'keep-alive')}`],
    ['its own body is cut', post('hel')],
    ['its own body is cut in its trailers', chunked('0\r\nx: 1\r\n')],
    ['its own body is cut, HTTP/1.0', post('hel', '1.0')],
  ])('and announced nothing has left: a reset, and the backend is left: %s', async (_what, bytes) => {
    const scene = await speak(bytes)
    expect(scene.got).toEqual({ text: '', end: 'reset' })
    expect(scene.relay.ends).toEqual(['gone'])
    await until('the backend to be left', () => scene.backend.sockets.size === 0)
  })

  test('in the middle of an answer that ends with the connection: not with an end that looks whole', async () => {
    const backend = await rawBackend((socket) => void socket.write('HTTP/1.1 200 OK\r\n\r\nhalf'))
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const got = collect(client)
    client.write(kept('a'))
    await until('a half', () => got.text.includes('half'))
    client.end()
    await until('an end', () => got.end)
    expect(got.end).toBe('reset')
    await until('the backend to be left', () => backend.sockets.size === 0)
  })

  test.each([
    ['kept alive', kept('a'), ['/a']],
    ['several', kept('a') + kept('b'), ['/a', '/b']],
    ['a cut one is dropped', `${kept('a')}GET /b HTTP/1.1\r\nho`, ['/a']],
  ])('gets its answers where the listener says so: %s', async (_what, bytes, paths) => {
    const scene = await speak(bytes, 'serve')
    expect(answered(scene)).toEqual(paths)
    expect(scene.got.end).toBe('fin')
  })

  test('a body that is cut is never complete, also where the listener serves', async () => {
    const scene = await speak(post('hel', '1.1', 'keep-alive'), 'serve')
    expect(scene.got).toEqual({ text: '', end: 'reset' })
    expect(scene.relay.ends).toEqual(['gone'])
  })
})
