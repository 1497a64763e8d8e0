import { describe, expect, it } from 'vitest'
import { deadPort, echoBackend, httpBackend, type TestBackend } from '../helpers/backend.ts'
import { send } from '../helpers/client.ts'
import { httpConfig, type Json, startInProcess } from '../helpers/gateway.ts'
import { rawBackend } from '../http1/raw-backend.ts'
import { agree, ask } from './tunnels.ts'
import { exchange } from './wire.ts'

/** Prepares a line of the trail, and has no onResponse. */
const stamp = `
import { definePlugin, reply } from 'postern/sdk'
export default definePlugin({
  name: 'stamp',
  options: {
    type: 'object', additionalProperties: false, required: ['as'],
    properties: {
      as: { type: 'string' }, act: { type: 'string', default: '' },
      types: { type: 'array', items: { type: 'string' } },
    },
  },
  when: ({ types }) => ({ responseTypes: types }),
  reads: ['header:x-reply', 'response.status'],
  writes: ['response.header:x-trail', 'response.header:x-gone', 'response.header:content-type'],
  onRequest(context) {
    const { request, response, options: { as, act } } = context
    response.appendHeader('x-trail', as)
    response.removeHeader('x-gone')
    if (act === 'type') response.setHeader('content-type', 'image/png')
    if (act === 'throw') throw new Error('as asked')
    if (act === 'undeclared') response.setHeader('x-other', '1')
    if (act === 'read') response.setHeader('x-trail', String((response as never as { status: number }).status))
    if (act === 'reply' || request.header('x-reply') === as) return reply(418, { title: as }, { 'x-trail': 'reply' })
  },
})`

/** Writes down the trail that its onResponse sees, and replaces the response when told to. */
const see = `
import { definePlugin, reply } from 'postern/sdk'
export default definePlugin({
  name: 'see',
  options: {
    type: 'object', additionalProperties: false, required: ['as'],
    properties: { as: { type: 'string' }, act: { type: 'string', default: '' }, hold: { type: 'integer', default: 0 } },
  },
  reads: ({ hold }) => ['response.header:x-trail', ...(hold > 0 ? [\`response.body:buffer:\${hold}\` as const] : [])],
  writes: ({ as }) => [\`response.header:x-seen-\${as}\` as const, 'response.header:x-trail'],
  onResponse({ response, options: { as, act } }) {
    response.setHeader('x-seen-' + as, String(response.header('x-trail')) + (response.body?.text().length ?? ''))
    response.appendHeader('x-trail', as)
    if (act === 'replace') return reply(409, 'replaced', { 'x-trail': 'new' })
  },
})`

const files = { 'plugins/stamp/index.ts': stamp, 'plugins/see/index.ts': see }

interface Placed {
  readonly [name: string]: { readonly [option: string]: Json }
}

/** A gateway with these policies; `l…` on the listener, `u…` on the upstream, the others on the route. */
async function gateway(policies: Placed, { port }: Pick<TestBackend, 'port'>, route: { [name: string]: Json } = {}) {
  const names = Object.keys(policies)
  const [listener, upstream] = ['l', 'u'].map((level) => names.filter((name) => name.startsWith(level)))
  const own = names.filter((name) => !/^[lu]/.test(name))
  const isReply = 'reply' in route
  return startInProcess(
    httpConfig([port], {
      listeners: { web: { policies: listener! } },
      routes: {
        all: { policies: own, ...(isReply ? { listener: 'web', upstream: undefined as never } : {}), ...route },
      },
      upstreams: { app: { policies: upstream! } },
      policies: Object.fromEntries(
        Object.entries(policies).map(([name, { plugin = 'stamp', onFailure = 'reject', ...options }]) => {
          return [name, { plugin, onFailure, options: { as: name, ...options } }]
        }),
      ),
    }),
    files,
  )
}

/** A backend that has a trail of its own. */
function app(type = 'text/plain'): Promise<TestBackend> {
  return httpBackend((_request, response) => {
    response.writeHead(200, { 'content-type': type, 'x-trail': 'app', 'x-gone': '1' })
    response.end('hello')
  })
}

describe('headers that onRequest has prepared', () => {
  it('are on the response, in reverse order, without a call', async () => {
    const running = await gateway({ l1: {}, l2: {}, r1: {}, u1: {} }, await app())
    const { status, headers, body } = await send(running.port('web'), '/')
    expect([status, headers['x-trail'], headers['x-gone'], body]).toEqual([
      200,
      'app, u1, r1, l2, l1',
      undefined,
      'hello',
    ])
    const record = await running.record(({ msg }) => msg === 'request')
    expect(Object.keys(record.hooks as object)).toEqual([
      'l1.onRequest',
      'l2.onRequest',
      'r1.onRequest',
      'u1.onRequest',
    ])
    const [stats] = running.gateway.snapshot.sandbox.stats()
    expect(stats!.policies.map(({ calls }) => calls)).toEqual([1, 1, 1, 1])
  })

  it.each([
    ['r1', 'reply, r1, l1'],
    ['l1', 'reply, l1'],
    ['u1', 'reply, u1, r2, r1, l1'],
  ])('are on the reply of %s, and only those of policies whose turn had come', async (name, trail) => {
    const running = await gateway({ l1: {}, r1: {}, r2: {}, u1: {} }, await app())
    const { status, headers } = await send(running.port('web'), '/', { headers: { 'x-reply': name } })
    expect([status, headers['x-trail']]).toEqual([418, trail])
  })

  it('are on errors of the gateway and on the reply of the route', async () => {
    const dead = await gateway({ l1: {}, r1: {}, u1: {} }, { port: await deadPort() })
    const { status, headers } = await send(dead.port('web'), '/')
    expect([status, headers['x-trail']]).toEqual([502, 'u1, r1, l1'])
    const fixed = await gateway({ l1: {}, r1: {} }, await app(), { reply: { status: 204 } })
    const answer = await send(fixed.port('web'), '/')
    expect([answer.status, answer.headers['x-trail']]).toEqual([204, 'r1, l1'])
  })

  it('are on the response that a later policy fails with, which prepares nothing itself', async () => {
    for (const act of ['throw', 'undeclared', 'read']) {
      const running = await gateway({ r1: {}, bad: { act }, r2: {} }, await app())
      const { status, headers } = await send(running.port('web'), '/')
      expect([status, headers['x-trail']]).toEqual([500, 'r1'])
      const failed = await running.record(({ msg }) => msg === 'policy failed')
      const causes = { throw: 'as asked', undeclared: `declare writes: ['response.header:x-other']`, read: noResponse }
      expect(failed.cause).toContain(causes[act as 'read'])
    }
  })

  it('are as if the policy were not attached when it fails with onFailure continue', async () => {
    for (const act of ['throw', 'undeclared']) {
      const running = await gateway({ r1: {}, bad: { act, onFailure: 'continue' }, r2: {} }, await app())
      const { status, headers } = await send(running.port('web'), '/')
      expect([status, headers['x-trail'], headers['x-gone']]).toEqual([200, 'app, r2, r1', undefined])
    }
  })

  it('are seen by onResponse of the policies before, not of those behind', async () => {
    const policies = { s1: { plugin: 'see' }, r1: {}, s2: { plugin: 'see' }, r2: {}, s3: { plugin: 'see' } }
    const { port } = await gateway(policies, await app())
    const { headers } = await send(port('web'), '/')
    expect(headers['x-trail']).toBe('app, s3, r2, s2, r1, s1')
    expect(headers['x-seen-s3']).toBe('app')
    expect(headers['x-seen-s2']).toBe('app, s3, r2')
    expect(headers['x-seen-s1']).toBe('app, s3, r2, s2, r1')
  })

  it('are lost with the response that a policy replaces, and go on the one in its place', async () => {
    const policies = { r1: {}, s1: { plugin: 'see', act: 'replace' }, r2: {} }
    const { port } = await gateway(policies, await app())
    const { status, headers, body } = await send(port('web'), '/')
    expect([status, headers['x-trail'], body]).toEqual([409, 'new, r1', 'replaced'])
  })

  it('are on a response whose body is held, and seen with it', async () => {
    const { port } = await gateway({ s1: { plugin: 'see', hold: 100 }, r1: {} }, await app())
    const { headers, body } = await send(port('web'), '/')
    expect([headers['x-trail'], headers['x-seen-s1'], body]).toEqual(['app, r1, s1', 'app, r15', 'hello'])
    // Too large: an error takes the place of the response, before the policy that wanted to hold it.
    const small = await gateway({ l1: {}, s1: { plugin: 'see', hold: 2 }, r1: {} }, await app())
    const refused = await send(small.port('web'), '/')
    expect([refused.status, refused.headers['x-trail']]).toEqual([502, 'l1'])
  })

  it('are on responses of the types that the policy is for', async () => {
    const types = ['text/*']
    const policies = { l1: { types }, r1: { act: 'type' }, r2: { types } }
    for (const [type, trail] of [
      ['text/plain', 'app, r2, r1'],
      ['application/json', 'app, r1'],
    ]) {
      const { port } = await gateway(policies, await app(type))
      const { headers } = await send(port('web'), '/')
      expect([headers['x-trail'], headers['content-type']]).toEqual([trail, 'image/png'])
    }
  })

  it('are on a 101', async () => {
    const backend = await rawBackend((socket, seen) => void (seen.endsWith('\r\n\r\n') && socket.write(agree)))
    const { port } = await gateway({ r1: {} }, backend)
    const { text } = await exchange(port('web'), ask, /\r\n\r\n$/)
    expect(text).toMatch(/^HTTP\/1\.1 101 .*\r\nx-trail: r1\r\n/s)
  })

  it('are of no other request on the same connection', async () => {
    const { port } = await gateway({ r1: {} }, await echoBackend())
    const request = 'GET / HTTP/1.1\r\nhost: h\r\n\r\n'
    const { text } = await exchange(
      port('web'),
      request + request.replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n'),
      /HTTP.*}HTTP.*}$/s,
    )
    expect(text.match(/x-trail: [^\r]*/g)).toEqual(['x-trail: r1', 'x-trail: r1'])
  })

  it('are not contradicted by a trailer', async () => {
    const backend = await rawBackend((socket, seen) => {
      if (!seen.endsWith('\r\n\r\n')) return
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nX-Trail: forged\r\nx-sum: 1\r\n\r\n')
    })
    const { port } = await gateway({ r1: {} }, backend)
    const { text } = await exchange(port('web'), 'GET / HTTP/1.1\r\nhost: h\r\n\r\n', '\r\nx-sum: 1\r\n\r\n')
    expect(text).toContain('\r\nx-trail: r1\r\n')
    expect(text).not.toContain('forged')
  })
})

const noResponse =
  'response.status: there is no response yet in onRequest, which can only set, append and remove headers; use onResponse'
