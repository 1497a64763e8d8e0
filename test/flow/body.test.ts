import { describe, expect, it } from 'vitest'
import { echoBackend, httpBackend, tcpBackend } from '../helpers/backend.ts'
import { raw, send } from '../helpers/client.ts'
import { httpConfig, startInProcess } from '../helpers/gateway.ts'

/** What a plugin does with a body is said by its options, so that one plugin serves all tests. */
const peek = `
import { definePlugin, reply } from 'postern/sdk'
export default definePlugin({
  name: 'peek',
  options: {
    type: 'object', additionalProperties: false,
    properties: { reads: { type: 'array', items: { type: 'string' }, default: [] } },
  },
  reads: (options) => options.reads,
  writes: ['header:x-seen', 'response.header:x-seen', 'body', 'response.body'],
  onRequest({ request }) {
    if (request.body === undefined) return
    const text = request.body.text()
    if (text.includes('forbidden')) return reply(403, { title: 'forbidden word' })
    request.setHeader('x-seen', request.body.bytes.length + ' ' + request.body.complete)
    if (text === 'replace me') request.setBody('replaced: äöü')
  },
  onResponse({ response }) {
    if (response.body === undefined) return
    response.setHeader('x-seen', response.body.bytes.length + ' ' + response.body.complete)
    if (response.body.text() === 'secret') response.setBody('')
    if (response.body.text().startsWith('{')) response.setBody(JSON.stringify({ ...response.body.json(), added: true }))
  },
})`

const upper = `
import { definePlugin } from 'postern/sdk'
const raise = (bytes) => bytes.map((byte) => (byte >= 97 && byte <= 122 ? byte - 32 : byte))
export default definePlugin({
  name: 'upper',
  writes: ['body', 'response.body'],
  onRequestBody({ chunk }) {
    if (chunk.bytes.includes(33)) throw new Error('an exclamation mark')
    return raise(chunk.bytes)
  },
  onResponseBody({ chunk }) {
    return chunk.last ? new Uint8Array([...raise(chunk.bytes), 46]) : raise(chunk.bytes)
  },
})`

const files = { 'plugins/peek/index.ts': peek, 'plugins/upper/index.ts': upper }

function config(port: number, reads: string[], rest: { onFailure?: string } = {}) {
  return httpConfig([port], {
    routes: { all: { policies: ['peek'] } },
    policies: { peek: { plugin: 'peek', options: { reads }, ...rest } },
  })
}

describe('a body that a policy holds', () => {
  it('is there whole, and reaches the backend whole', async () => {
    const backend = await echoBackend()
    const { port } = await startInProcess(config(backend.port, ['body:buffer:1000']), files)
    const seen = (await send(port('web'), '/', { method: 'POST', body: 'hello' })).json<{
      body: string
      headers: object
    }>()
    expect(seen.body).toBe('hello')
    expect(seen.headers).toMatchObject({ 'x-seen': '5 true', 'content-length': '5' })
  })

  it('is there at its beginning, and reaches the backend whole', async () => {
    const backend = await echoBackend()
    const { port } = await startInProcess(config(backend.port, ['body:prefix:10']), files)
    const body = 'x'.repeat(300_000)
    const seen = (await send(port('web'), '/', { method: 'POST', body })).json<{ body: string; headers: object }>()
    expect(seen.body).toBe(body)
    expect(seen.headers).toMatchObject({ 'x-seen': '10 false' })
    const short = (await send(port('web'), '/', { method: 'POST', body: 'abc' })).json()
    expect(short.headers).toMatchObject({ 'x-seen': '3 true' })
  })

  it('is empty when there is none', async () => {
    const backend = await echoBackend()
    const { port } = await startInProcess(config(backend.port, ['body:buffer:10']), files)
    expect((await send(port('web'), '/')).json().headers).toMatchObject({ 'x-seen': '0 true' })
  })

  it('can be judged before the backend hears of it', async () => {
    let asked = false
    const backend = await httpBackend((_request, response) => {
      asked = true
      response.end()
    })
    const { port } = await startInProcess(config(backend.port, ['body:buffer:1000']), files)
    expect((await send(port('web'), '/', { method: 'POST', body: 'a forbidden word' })).status).toBe(403)
    expect(asked).toBe(false)
  })

  it('can be replaced, and its length follows', async () => {
    const backend = await echoBackend()
    const { port } = await startInProcess(config(backend.port, ['body:buffer:1000']), files)
    const seen = (await send(port('web'), '/', { method: 'POST', body: 'replace me' })).json<{
      body: string
      headers: object
    }>()
    expect(seen.body).toBe('replaced: äöü')
    expect(seen.headers).toMatchObject({ 'content-length': '16' })
  })

  it('that is too large gets 413 with outcome BL, or passes where onFailure says continue', async () => {
    const backend = await echoBackend()
    const strict = await startInProcess(config(backend.port, ['body:buffer:10']), files)
    const refused = await send(strict.port('web'), '/', { method: 'POST', body: 'more than ten bytes' })
    expect(refused.status).toBe(413)
    expect((await strict.record((line) => line.msg === 'request')).outcome).toBe('BL')
    const lax = await startInProcess(config(backend.port, ['body:buffer:10'], { onFailure: 'continue' }), files)
    const passed = await send(lax.port('web'), '/', { method: 'POST', body: 'more than ten bytes' })
    expect(passed.json().body).toBe('more than ten bytes')
  })

  it('that is too large is blamed on the policy by name, and not waited for when its length says so', async () => {
    const backend = await tcpBackend((socket) => {
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf'))
    })
    const { port, record } = await startInProcess(config(backend.port, ['response.body:buffer:10']), files)
    expect((await send(port('web'), '/')).status).toBe(502)
    const { outcome, cause } = await record((line) => line.msg === 'request')
    expect([outcome, cause]).toEqual([
      'BL',
      'the body of the response is larger than the 10 bytes that policy "peek" accepts',
    ])
  })

  it('that is too large and optional passes unchanged, and the hook runs without it', async () => {
    const backend = await httpBackend((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        if (request.url === '/chunked') response.write(text)
        response.setHeader?.('x-got', String(request.headers['x-seen']))
        response.end(request.url === '/chunked' ? '' : text)
      })
    })
    const scopes = ['body:optional:10', 'response.body:optional:10']
    const { port } = await startInProcess(config(backend.port, scopes), files)
    const post = (path: string, body: string): ReturnType<typeof send> =>
      send(port('web'), path, { method: 'POST', body })
    const small = await post('/', 'few bytes')
    expect([small.body, small.headers['x-got'], small.headers['x-seen']]).toEqual(['few bytes', '9 true', '9 true'])
    const large = await post('/', 'more than ten bytes')
    expect([large.body, large.headers['x-got'], large.headers['x-seen']]).toEqual([
      'more than ten bytes',
      'undefined',
      undefined,
    ])
    const empty = await post('/', '')
    expect([empty.status, empty.body]).toEqual([200, ''])
  })

  it('that does not come gets 408', async () => {
    const backend = await echoBackend()
    const { port, record } = await startInProcess(
      {
        ...(config(backend.port, ['body:buffer:10']) as object),
        listeners: { web: { address: '127.0.0.1', port: 0, timeouts: { idle: '100ms' } } },
      },
      files,
    )
    const text = await raw(port('web'), 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf')
    expect(text).toMatch(/^HTTP\/1.1 408 /)
    expect((await record((line) => line.msg === 'request')).outcome).toBe('CI')
  })

  it('of a response is there whole, and can be replaced', async () => {
    const backend = await httpBackend((request, response) => {
      response.write(request.url === '/json' ? '{"a":' : request.url === '/secret' ? 'sec' : 'hel')
      response.end(request.url === '/json' ? '1}' : request.url === '/secret' ? 'ret' : 'lo')
    })
    const { port } = await startInProcess(config(backend.port, ['response.body:buffer:1000']), files)
    const plain = await send(port('web'), '/')
    expect(plain.body).toBe('hello')
    expect(plain.headers['x-seen']).toBe('5 true')
    expect((await send(port('web'), '/json')).json()).toEqual({ a: 1, added: true })
    const secret = await send(port('web'), '/secret')
    expect(secret.body).toBe('')
    expect(secret.headers['content-length']).toBe('0')
  })

  it('of a response that is too large gets 502 with outcome BL', async () => {
    const backend = await httpBackend((_request, response) => void response.end('x'.repeat(100_000)))
    const { port, record } = await startInProcess(config(backend.port, ['response.body:buffer:1000']), files)
    expect((await send(port('web'), '/')).status).toBe(502)
    expect((await record((line) => line.msg === 'request')).outcome).toBe('BL')
  })

  it('of a response is there at its beginning, and reaches the client whole', async () => {
    const body = 'y'.repeat(3_000_000)
    const backend = await httpBackend((_request, response) => void response.end(body))
    const { port } = await startInProcess(config(backend.port, ['response.body:prefix:4']), files)
    const answer = await send(port('web'), '/')
    expect(answer.headers['x-seen']).toBe('4 false')
    expect(answer.body).toBe(body)
  })
})

describe('a body that policies see pass', () => {
  const streaming = (port: number) =>
    httpConfig([port], {
      routes: { all: { policies: ['upper'] } },
      policies: { upper: { plugin: 'upper' } },
      // A chunk takes milliseconds, and the limit is time on the clock: enough for a busy machine.
      plugins: { upper: { limits: { time: '1s' } } },
    })

  it('can be changed both ways, chunk by chunk, under back-pressure', async () => {
    const backend = await httpBackend((request, response) => void request.pipe(response))
    const { port } = await startInProcess(streaming(backend.port), files)
    const body = 'abc'.repeat(200_000)
    const answer = await send(port('web'), '/', { method: 'POST', body })
    expect(answer.body).toBe(`${body.toUpperCase()}.`)
    expect(answer.headers['content-length']).toBeUndefined()
  })

  it('is ended with an error when the policy fails', async () => {
    const backend = await httpBackend((request, response) => void request.resume().on('end', () => response.end('x')))
    const { port, record } = await startInProcess(streaming(backend.port), files)
    expect((await send(port('web'), '/', { method: 'POST', body: 'stop!' })).status).toBe(500)
    expect((await record((line) => line.msg === 'request')).outcome).toBe('PE:upper')
  })

  it('does not keep an answer made here waiting when its backend breaks off meanwhile', async () => {
    const waits = `
import { definePlugin } from 'postern/sdk'
export default definePlugin({
  name: 'waits',
  onRequestBody() { return new Promise(() => {}) },
  onResponseBody() {},
})`
    const backend = await tcpBackend((socket) => socket.once('data', () => socket.destroy()))
    const policies = { waits: { plugin: 'waits' } }
    const config = httpConfig([backend.port], { routes: { all: { policies: ['waits'] } }, policies })
    const { port, record } = await startInProcess(config, { 'plugins/waits/index.ts': waits })
    expect((await send(port('web'), '/', { method: 'POST', body: 'x' })).status).toBe(502)
    expect((await record((line) => line.msg === 'request')).outcome).toBe('UC')
  })
})
