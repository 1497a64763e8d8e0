import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { PosternError } from '../../core/errors.ts'
import { Fields } from '../../core/http/fields.ts'
import type { UpstreamOwner } from '../../core/http/upstream-exchange.ts'
import { open } from '../helpers/client.ts'
import { until } from '../helpers/until.ts'
import { idleOwner } from './idle-owner.ts'
import { answering, collect, dateless, ok } from './raw-backend.ts'
import { startRelay } from './relay.ts'

interface Case {
  readonly name: string
  readonly method: string
  readonly response: string
}

const cases = JSON.parse(readFileSync(new URL('../cases/whole-responses.json', import.meta.url), 'utf8')) as Case[]

/** Two requests, one behind the other, and what has become of them. */
async function relayed({ method, response }: Case, version: string, whole: boolean): Promise<unknown> {
  const backend = await answering(response)
  const relay = await startRelay(backend.port)
  relay.whole = whole
  const client = await open(relay.port)
  const got = collect(client)
  const head = `${method} / HTTP/${version}\r\nhost: h\r\n`
  const last = `${head}connection: close\r\n\r\n`
  client.write(version === '1.0' ? last : `${head}\r\n${last}`)
  await until('the end', () => got.end)
  const text = dateless(got.text)
  return { text, ends: relay.ends, idle: relay.pool.idle, connections: backend.seen.length }
}

describe('a short response that is relayed whole', () => {
  for (const one of cases) {
    test.each(['1.1', '1.0'])(`${one.name}: as piece by piece, to HTTP/%s`, async (version) => {
      expect(await relayed(one, version, true)).toEqual(await relayed(one, version, false))
    })
  }

  test('an owner that has removed the length gets it framed anew', async () => {
    const relay = await startRelay(1)
    relay.answer = (exchange) => {
      queueMicrotask(() => exchange.respondWhole(200, '', new Fields(['x-a', '1']), 'gr\u00fc\u00df'))
      return idleOwner()
    }
    const client = await open(relay.port)
    const got = collect(client)
    client.write('GET / HTTP/1.1\r\nhost: h\r\n\r\n')
    await until('the answer', () => got.text.endsWith('0\r\n\r\n'))
    expect(dateless(got.text)).toBe(
      'HTTP/1.1 200 OK\r\nx-a: 1\r\ntransfer-encoding: chunked\r\n\r\n4\r\ngr\u00fc\u00df\r\n0\r\n\r\n',
    )
  })

  test('a body that is not as long as announced breaks the connection', async () => {
    const relay = await startRelay(1)
    relay.answer = (exchange) => {
      queueMicrotask(() => exchange.respondWhole(200, '', new Fields(['content-length', '3']), 'long'))
      return idleOwner()
    }
    const client = await open(relay.port)
    const got = collect(client)
    client.write('GET / HTTP/1.1\r\nhost: h\r\n\r\n')
    await until('the end', () => got.end)
    expect(got.end).toBe('reset')
  })

  test('an owner that throws is told, and the connection remains', async () => {
    const relay = await startRelay((await answering(ok)).port)
    const errors: PosternError[] = []
    const nothing = (): void => {}
    const owner: UpstreamOwner = {
      onConnected: nothing,
      onBodyWanted: nothing,
      onHead: nothing,
      onData: nothing,
      onEnd: nothing,
      onWhole: () => {
        throw new Error('boom')
      },
      onFail: (error) => void errors.push(error),
    }
    const fields = new Fields(['host', 'h'])
    relay.pool.send({ method: 'GET', target: '/', fields, hasBody: false }, 5000, owner)
    await until('the error', () => errors[0])
    expect(errors).toMatchObject([{ code: 'GE', message: 'boom' }])
    expect(relay.pool.idle).toBe(1)
  })
})
